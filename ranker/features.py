"""Features: what is known of a person and a video together, as numbers near 0..1, all at the moment of asking."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Features, Featurize, Floats, Query, Rows
from ranker.catalogue import Catalogue
from ranker.taste import INTERESTS, SKIPS, Taste

NAMES = (
    "similar",  # cosine to the nearest interest, times its strength
    "liking",  # cosine to the mean of the likes
    "skipping",  # cosine to the nearest recent skip
    "trend",  # people now, log2, over 10
    "popular",  # people ever, log2, over 20
    "fresh",  # 1 at upload, ½ after a day, ⅓ after two
    "creator",  # w / (w + 2) for w whole watches of the creator
    "long",  # d / (d + 30 s); unknown counts as 20 s
)

LANES = 128  # candidates in one matrix product
MEAN = INTERESTS  # place of the likes' mean among the references
REFERENCES = INTERESTS + 1 + SKIPS
DAY_MS = 86_400_000
HALF_KNOWN = 2.0
HALF_LONG_MS, UNKNOWN_MS = 30_000, 20_000


def featurize(catalogue: Catalogue) -> Featurize:
    """Features from the catalogue's columns and from one small matrix product a query."""

    def featurize(queries: Sequence[Query], candidates: Sequence[Candidates]) -> Features:
        bounds = np.cumsum([0, *(len(one.rows) for one in candidates)])
        values = np.empty((len(NAMES), bounds[-1]), np.float32)
        similar_to = np.empty(bounds[-1], np.int32)
        most = max((len(one.rows) for one in candidates), default=0)
        work = np.zeros((padded(most), catalogue.dim), np.float32)
        for query, one, start, stop in zip(queries, candidates, bounds[:-1], bounds[1:], strict=True):
            here = values[:, start:stop]
            similar_to[start:stop] = alike(query.taste, one.rows, catalogue, work, here)
            here[6] = affinity(query.taste, catalogue.creator[one.rows])
            here[5] = query.now_ms - catalogue.at_ms[one.rows]
        rows = np.concatenate([one.rows for one in candidates])
        values[3] = catalogue.trend[rows] / np.float32(10)
        values[4] = catalogue.ever[rows] / np.float32(20)
        values[5] = 1 / (1 + np.maximum(values[5], 0) / np.float32(DAY_MS))
        long = catalogue.duration_ms[rows].astype(np.float32)
        long[long == 0] = UNKNOWN_MS
        values[7] = long / (long + np.float32(HALF_LONG_MS))
        return Features(values, bounds, similar_to)

    return featurize


def padded(count: int) -> int:
    """The next whole number of lanes."""
    return -(-count // LANES) * LANES


def alike(taste: Taste, rows: Rows, catalogue: Catalogue, work: Floats, out: Floats) -> Rows:
    """Write similar, liking and skipping of C candidates; return the interest that is nearest to each, −1: none.

    `work` [lanes, D] and `out` [3 or more, C] are overwritten. Each product has the shape
    [128, D] × [D, 16] whatever is asked.
    """
    count, lanes = len(rows), padded(len(rows))
    catalogue.vectors.take(rows, axis=0, out=work[:count], mode="clip")
    tiles = work[:lanes].reshape(-1, LANES, catalogue.dim)
    products = tiles @ references(taste, catalogue).T  # [lanes / 128, 128, 16]
    cosines = products.reshape(lanes, REFERENCES)[:count].T.copy()  # [16, C]
    cosines[: len(taste.strengths)] *= taste.strengths[:, None]
    cosines[:INTERESTS].max(axis=0, initial=0, out=out[0])
    out[1] = cosines[MEAN]
    cosines[MEAN + 1 :].max(axis=0, initial=0, out=out[2])
    interests = np.full(INTERESTS, -1, np.int32)
    interests[: len(taste.interests)] = taste.interests
    return np.where(out[0] > 0, interests[cosines[:INTERESTS].argmax(axis=0)], np.int32(-1))


def references(taste: Taste, catalogue: Catalogue) -> Floats:
    """What candidates are compared with: interests, the likes' mean, skips; zero rows where there is none."""
    out = np.zeros((REFERENCES, catalogue.dim), np.float32)
    out[: len(taste.interests)] = catalogue.vectors[taste.interests]
    out[MEAN + 1 : MEAN + 1 + len(taste.skips)] = catalogue.vectors[taste.skips]
    if len(taste.likes):
        out[MEAN] = catalogue.vectors[taste.likes].sum(axis=0) / np.float32(len(taste.likes))
    return out


def affinity(taste: Taste, creators: NDArray[np.int32]) -> Floats:
    """How much a person watches the candidates' creators, 0..1."""
    if not taste.creators:
        return np.zeros(len(creators), np.float32)
    codes = np.array(sorted(taste.creators), np.int32)
    strengths = np.array([taste.creators[code] for code in codes.tolist()], np.float32)
    at = np.minimum(codes.searchsorted(creators), len(codes) - 1)
    known: Floats = np.where(codes[at] == creators, strengths[at], np.float32(0))
    return known / (known + np.float32(HALF_KNOWN))
