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
        if not len(lacking):
            return {}
        of_people = np.flatnonzero(np.isin(videos, lacking).any(axis=1))
        places = np.unique(np.concatenate([query[np.isin(rows, lacking)], of_people]))
        return dict.fromkeys(places.tolist(), "vector_index")

    return vectors
