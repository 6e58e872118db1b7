"""Features of a person and a video together, as numbers near 0..1, all at the event time of the query."""

from collections.abc import Mapping

import numpy as np

from ranker.catalogue.arrays import Floats, Places
from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.kernel import calls, fused, switch
from ranker.pipeline.kernel.fused import TILE_ROWS
from ranker.pipeline.leave_one_out import without_each
from ranker.pipeline.query_features import INTERESTS, LIKES_START, SKIPS_START, QueryFeatures
from ranker.pipeline.types import Candidates, FeatureMatrix, Featurize, QueryBatch

NAMES = (
    "similar",  # cosine to the nearest interest, times its strength
    "liking",  # cosine to the mean of the likes
    "skipping",  # cosine to the nearest recent skip
    "trend",  # decayed count of people at present, log2, over 10
    "popular",  # count of people ever, log2, over 20
    "fresh",  # 1 at upload, ½ after a day, ⅓ after two
    "creator",  # w / (w + 2) for w whole watches of the creator
    "long",  # d / (d + 30 s); an unknown duration counts as 20 s
)

REFERENCES = LIKES_START + 1  # interests, skips, and the mean of the likes
DAY_MS = 86_400_000
HALF_AFFINITY_WATCHES = np.float32(2)
HALF_LONG_MS, UNKNOWN_DURATION_MS = 30_000, 20_000


def featurize(catalogue: Catalogue) -> Featurize:
    """Features from the catalogue's columns and from one small matrix product a query."""

    def featurize(batch: QueryBatch, candidates: Candidates) -> FeatureMatrix:
        values = np.empty((len(NAMES), len(candidates.rows)), np.float32)
        cosines = reference_cosines(batch.query_features, candidates, catalogue)
        cosines[:INTERESTS].max(axis=0, initial=0, out=values[0])
        values[1] = cosines[LIKES_START]
        cosines[SKIPS_START:LIKES_START].max(axis=0, initial=0, out=values[2])
        put_columns(batch, candidates, catalogue, values[3:])
        nearness, query_features = cosines[:INTERESTS], batch.query_features

        def without(places: Places) -> Mapping[str, Floats]:
            query, others = candidates.query[places], next_nearness(query_features, candidates, places, catalogue)
            return without_each(query_features, query, np.vstack([nearness[:, places], others]), values[1, places])

        return FeatureMatrix(NAMES, values, nearness, query_features.interests, without=without)

    return featurize


def put_columns(batch: QueryBatch, candidates: Candidates, catalogue: Catalogue, values: Floats) -> None:
    """Write the features that need no vectors [5, N]: `trend`, `popular`, `fresh`, `creator` and `long`."""
    rows, (trend, popularity) = candidates.rows, counts(batch, candidates, catalogue)
    now_ms = np.array([query.now_ms for query in batch.queries], np.int64)
    if switch.is_used():
        columns = catalogue.at_ms, catalogue.duration_ms, catalogue.creator
        creators, watches = batch.query_features.creators, batch.query_features.watch_counts
        hashed = creators.keys, creators.table, creators.shift
        calls.columns((rows, candidates.query), (trend, popularity), now_ms, columns, hashed, watches, values)
        return
    values[0], values[1] = trend / np.float32(10), popularity / np.float32(20)
    values[2] = now_ms[candidates.query] - catalogue.at_ms[rows]
    values[2] = 1 / (1 + np.maximum(values[2], 0) / np.float32(DAY_MS))
    values[3] = creator_affinity(batch.query_features, candidates, catalogue)
    duration_ms = catalogue.duration_ms[rows].astype(np.float32)
    duration_ms[duration_ms == 0] = UNKNOWN_DURATION_MS
    values[4] = duration_ms / (duration_ms + np.float32(HALF_LONG_MS))


def counts(batch: QueryBatch, candidates: Candidates, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """Trend and popularity of the candidates at the ticks of their queries [N]."""
    if batch.moments is None:
        return catalogue.trend[candidates.rows], catalogue.total_popularity[candidates.rows]
    return catalogue.moments.counts(candidates.rows, batch.moments[candidates.query], catalogue)


def reference_cosines(query_features: QueryFeatures, candidates: Candidates, catalogue: Catalogue) -> Floats:
    """Cosines of N candidates to what their person likes and skips [16, N], interests times their strengths.

    One query after another, as its vectors fit the cache. Each of NumPy's products has the shape [128, D] × [D, 16],
    whatever the batch, as the bits of a product may depend on its shape.
    """
    vectors, scale = references(query_features, catalogue)
    columns = np.ascontiguousarray(vectors.transpose(0, 2, 1))  # [B, D, 16]: OpenBLAS takes longer to turn them around
    if catalogue.elsewhere is None and fused.is_used(catalogue.dim):
        return calls.cosines(catalogue.vectors, candidates.rows, candidates.bounds, columns, scale)
    spans = [*candidates.spans()]
    tile_counts = [-(-(span.stop - span.start) // TILE_ROWS) for _, span in spans]
    work = np.zeros((max(tile_counts) * TILE_ROWS, catalogue.dim), np.float32)
    tiles = work.reshape(-1, TILE_ROWS, catalogue.dim)
    cosines = np.empty((REFERENCES, len(candidates.rows)), np.float32)
    for (query, span), count in zip(spans, tile_counts, strict=True):
        rows = candidates.rows[span]
        if catalogue.elsewhere is None and switch.is_used():
            calls.gather(catalogue.vectors, rows, work[: len(rows)])
        else:
            catalogue.take_vectors(rows, work[: len(rows)])
        products = (tiles[:count] @ columns[query]).reshape(-1, REFERENCES)
        np.multiply(products[: len(rows)].T, scale[query], out=cosines[:, span])
    return cosines


def next_nearness(
    query_features: QueryFeatures, candidates: Candidates, places: Places, catalogue: Catalogue
) -> Floats:
    """Cosines of the candidates at these places to their person's ninth interest, times its strength [M].

    Added up row by row, as the bits of a product of matrices may depend on its shape.
    """
    query, nearness = candidates.query[places], np.zeros(len(places), np.float32)
    known = query_features.next_interest[query] >= 0
    rows, query = candidates.rows[places[known]], query[known]
    following = catalogue.take_vectors(query_features.next_interest[query])
    products = catalogue.take_vectors(rows) * following
    nearness[known] = products.sum(axis=1) * query_features.next_strength[query]
    return nearness


def references(query_features: QueryFeatures, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """The vectors that candidates are compared with [B, 16, D], zero where there is none, and a factor [B, 16, 1]."""
    present = query_features.videos >= 0
    vectors = catalogue.take_vectors(query_features.videos)
    vectors[~present] = 0
    likes = present[:, LIKES_START:].sum(axis=1, dtype=np.float32)
    vectors[:, LIKES_START] = vectors[:, LIKES_START:].sum(axis=1) / np.maximum(likes, 1)[:, None]
    scale = np.ones((len(vectors), REFERENCES, 1), np.float32)
    scale[:, :INTERESTS, 0] = query_features.strengths
    return vectors[:, :REFERENCES], scale


def creator_affinity(query_features: QueryFeatures, candidates: Candidates, catalogue: Catalogue) -> Floats:
    """How much a person watches the candidates' creators, 0..1."""
    affinity = np.zeros(len(candidates.rows), np.float32)
    known, places = query_features.creators.find(candidates.query, catalogue.creator[candidates.rows])
    watches = query_features.watch_counts[places]
    affinity[known] = watches / (watches + HALF_AFFINITY_WATCHES)
    return affinity
