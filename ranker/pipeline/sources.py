"""Sources: where candidates come from. Each answers a whole batch; only `near_recent` ever waits."""

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.types import NONE, QueryBatch, Rows, Source, SourceResult
from ranker.retrieval.index import IndexUnavailable
from ranker.retrieval.neighbour_cache import NeighbourCache

NEAR = 32  # neighbours of each interest; a guess
OF_CREATOR = 8  # newest videos of each creator; a guess


def near_recent(neighbours: NeighbourCache) -> Source:
    """Videos near what a person watched or liked lately, each interest on its own."""

    async def near_recent(batch: QueryBatch) -> SourceResult:
        of, place = np.nonzero(batch.query_features.interests >= 0)
        interests = batch.query_features.interests[of, place]
        missing = {}
        try:
            near = await neighbours.find(interests)
        except IndexUnavailable:
            near, known = neighbours.known(interests)
            missing = dict.fromkeys(of[~known].tolist(), "vector_index")
        there = near >= 0
        return SourceResult(near[there], of.repeat(there.sum(axis=1)), missing)

    return near_recent


def trending(catalogue: Catalogue) -> Source:
    """What many people turn to right now."""

    async def trending(batch: QueryBatch) -> SourceResult:
        return for_all(catalogue.tops.trending, batch)

    return trending


def fresh(catalogue: Catalogue) -> Source:
    """The newest uploads; exploration draws from these."""

    async def fresh(batch: QueryBatch) -> SourceResult:
        return for_all(catalogue.tops.newest, batch)

    return fresh


def popular(catalogue: Catalogue) -> Source:
    """What most people turned to, ever: the floor."""

    async def popular(batch: QueryBatch) -> SourceResult:
        return for_all(catalogue.tops.popular, batch)

    return popular


def creators(catalogue: Catalogue) -> Source:
    """The newest videos of creators whom a person follows or often watches."""

    async def creators(batch: QueryBatch) -> SourceResult:
        of, place = np.nonzero(batch.query_features.favourite_creators >= 0)
        rows = [
            catalogue.newest_of(one, OF_CREATOR) for one in batch.query_features.favourite_creators[of, place].tolist()
        ]
        return SourceResult(np.concatenate(rows or [NONE]), of.repeat([*map(len, rows)]))

    return creators


def for_all(rows: Rows, batch: QueryBatch) -> SourceResult:
    """The same rows for every query of a batch."""
    count = len(batch.queries)
    return SourceResult(rows[None].repeat(count, axis=0).ravel(), np.arange(count).repeat(len(rows)))
