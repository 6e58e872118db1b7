"""What is asked of a collection for people, by ids alone: videos near their interests, and vectors of candidates."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from qdrant_client import models

from ranker.library.library import RETRIEVAL
from ranker.retrieval.index import Taste
from streams.qdrant.client import ContentRefused
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Floats, point_id, to_filter
from streams.qdrant.searches import to_search


async def near_people(index: QdrantIndex, tastes: Sequence[Taste], k: int) -> list[list[str] | None]:
    """The k nearest videos of each interest, in one query a person and one request; None for whom it refuses.

    One of whom the server knows an interest no more would have everybody's request refused, so it is cut in half.
    """
    try:
        answers = await index.search([to_search(_request(index, taste, k)) for taste in tastes])
    except ContentRefused:
        if len(tastes) == 1:
            return [None]
        middle = len(tastes) // 2
        return [*await near_people(index, tastes[:middle], k), *await near_people(index, tastes[middle:], k)]
    return [list(found.video_ids) for found in answers]


def _request(index: QdrantIndex, taste: Taste, k: int) -> models.QueryRequest:
    """A search for each interest inside one query; the server hands the filter down to each."""
    results = index.collection.limits.results
    near = min(k, results)
    params = index.params(near)
    where = to_filter(taste.where, index.collection.limits.ids)
    if len(taste.near) == 1:
        [one] = map(point_id, taste.near)
        return models.QueryRequest(
            query=one, using=RETRIEVAL, params=params, filter=where, limit=near, with_payload=["video_id"]
        )
    return models.QueryRequest(
        prefetch=[
            models.Prefetch(query=point_id(video_id), using=RETRIEVAL, params=params, limit=near)
            for video_id in taste.near
        ],
        query=models.FusionQuery(fusion=models.Fusion.RRF),
        filter=where,
        limit=min(near * len(taste.near), results),
        with_payload=["video_id"],
    )


async def vectors(index: QdrantIndex, video_ids: Sequence[str]) -> dict[str, Floats | None]:
    """The retrieval vectors of these videos, None for one that has none, in one request."""
    by_point = {point_id(video_id): video_id for video_id in video_ids}
    found: dict[str, Floats | None] = dict.fromkeys(video_ids)
    for point in await index.retrieve([*by_point], RETRIEVAL):
        row = cast("Mapping[str, list[float]]", point.vector or {}).get(RETRIEVAL)
        found[by_point[str(point.id)]] = None if row is None else np.array(row, np.float32)
    return found
