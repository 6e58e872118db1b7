"""Features: what is known of a person and a video together, as numbers near 0..1, all at the moment of asking."""

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.query_features import AT_LIKES, AT_SKIPS, INTERESTS, QueryFeatures
from ranker.pipeline.types import Candidates, FeatureMatrix, Featurize, Floats, QueryBatch

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
REFERENCES = AT_LIKES + 1  # interests, skips, and the mean of the likes
DAY_MS = 86_400_000
HALF_KNOWN = 2.0
HALF_LONG_MS, UNKNOWN_MS = 30_000, 20_000


def featurize(catalogue: Catalogue) -> Featurize:
    """Features from the catalogue's columns and from one small matrix product a query."""

    def featurize(batch: QueryBatch, candidates: Candidates) -> FeatureMatrix:
        rows, values = candidates.rows, np.empty((len(NAMES), len(candidates.rows)), np.float32)
        cosines = alike(batch.query_features, candidates, catalogue)
        cosines[:INTERESTS].max(axis=0, initial=0, out=values[0])
        values[1] = cosines[AT_LIKES]
        cosines[AT_SKIPS:AT_LIKES].max(axis=0, initial=0, out=values[2])
        values[3] = catalogue.trend[rows] / np.float32(10)
        values[4] = catalogue.total_popularity[rows] / np.float32(20)
        now_ms = np.array([query.now_ms for query in batch.queries], np.int64)
        values[5] = now_ms[candidates.of] - catalogue.at_ms[rows]
        values[5] = 1 / (1 + np.maximum(values[5], 0) / np.float32(DAY_MS))
        values[6] = affinity(batch.query_features, candidates, catalogue)
        long = catalogue.duration_ms[rows].astype(np.float32)
        long[long == 0] = UNKNOWN_MS
        values[7] = long / (long + np.float32(HALF_LONG_MS))
        return FeatureMatrix(values, cosines[:INTERESTS], batch.query_features.interests)

    return featurize


def alike(query_features: QueryFeatures, candidates: Candidates, catalogue: Catalogue) -> Floats:
    """Cosines of N candidates to what their person likes and skips [16, N], interests times their strengths.

    One query after another, as its vectors fit the cache. Each product has the shape [128, D] × [D, 16] whatever
    is asked.
    """
    spans = [*candidates.spans()]
    lanes = [-(-(span.stop - span.start) // LANES) for _, span in spans]
    work = np.zeros((max(lanes) * LANES, catalogue.dim), np.float32)
    tiles = work.reshape(-1, LANES, catalogue.dim)
    compared, scale = references(query_features, catalogue)
    out = np.empty((REFERENCES, len(candidates.rows)), np.float32)
    for (q, span), count in zip(spans, lanes, strict=True):
        rows = candidates.rows[span]
        catalogue.vectors.take(rows, axis=0, out=work[: len(rows)], mode="clip")
        products = (tiles[:count] @ compared[q].T).reshape(-1, REFERENCES)
        np.multiply(products[: len(rows)].T, scale[q], out=out[:, span])
    return out


def references(query_features: QueryFeatures, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """What candidates are compared with [B, 16, D], zero where there is nothing, and a factor [B, 16, 1]."""
    there = query_features.videos >= 0
    vectors = catalogue.vectors.take(query_features.videos, axis=0, mode="clip")
    vectors[~there] = 0
    likes = there[:, AT_LIKES:].sum(axis=1, dtype=np.float32)
    vectors[:, AT_LIKES] = vectors[:, AT_LIKES:].sum(axis=1) / np.maximum(likes, 1)[:, None]
    scale = np.ones((len(vectors), REFERENCES, 1), np.float32)
    scale[:, :INTERESTS, 0] = query_features.strengths
    return vectors[:, :REFERENCES], scale


def affinity(query_features: QueryFeatures, candidates: Candidates, catalogue: Catalogue) -> Floats:
    """How much a person watches the candidates' creators, 0..1."""
    out = np.zeros(len(candidates.rows), np.float32)
    at, places = query_features.creators.find(candidates.of, catalogue.creator[candidates.rows])
    watched = query_features.watch_counts[places]
    out[at] = watched / (watched + np.float32(HALF_KNOWN))
    return out
