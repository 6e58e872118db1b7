"""Hydration: vectors of a batch's candidates, and of what they are compared with, where a process holds none."""

from collections.abc import Mapping

import numpy as np

from ranker.pipeline.types import Hydrate, QueryBatch, SourceResult
from ranker.retrieval.vector_cache import VectorCache


def vectors_by(cache: VectorCache) -> Hydrate:
    """Fetch them into a cache, in one request as long as they are not too many."""

    async def vectors(batch: QueryBatch, results: Mapping[str, SourceResult]) -> Mapping[int, str]:
        rows = np.concatenate([result.rows for result in results.values()])
        query = np.concatenate([result.query for result in results.values()])
        videos, following = batch.query_features.videos, batch.query_features.next_interest
        lacking = await cache.fetch(np.concatenate([rows, videos.ravel(), following]))
        missing: dict[int, str] = {}
        for name, absent in (("vector_cache", lacking.crowded_out), ("vector_index", lacking.unanswered)):
            if len(absent):
                of_people = np.flatnonzero(np.isin(videos, absent).any(axis=1))
                places = np.unique(np.concatenate([query[np.isin(rows, absent)], of_people]))
                missing |= dict.fromkeys(places.tolist(), name)
        return missing

    return vectors
