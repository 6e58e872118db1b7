"""Sources: candidate generation. Each answers a whole batch; only `near_recent` ever waits."""

from collections.abc import Callable

import numpy as np

from ranker.catalogue.arrays import Rows
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.top_lists import TOP_LENGTH, TopLists
from ranker.learning.parameters import Parameters
from ranker.learning.surface_trends import SurfaceTrends
from ranker.pipeline.tastes import Tastes, Where, anything
from ranker.pipeline.types import NO_ROWS, QueryBatch, Source, SourceResult, surface_of
from ranker.retrieval.index import IndexUnavailable, RemoteIndex
from ranker.retrieval.neighbour_cache import NeighbourCache
from ranker.retrieval.neighbour_lists import NeighbourLists
from ranker.retrieval.sequence import SequenceRetrieval


def near_recent(neighbours: NeighbourCache) -> Source:
    """Videos near what a person watched or liked recently, each interest searched on its own."""

    async def near_recent(batch: QueryBatch) -> SourceResult:
        query, column = np.nonzero(batch.query_features.interests >= 0)
        interests = batch.query_features.interests[query, column]
        missing = {}
        try:
            near = await neighbours.find(interests)
        except IndexUnavailable:
            near, known = neighbours.known(interests)
            missing = dict.fromkeys(query[~known].tolist(), "vector_index")
        found = near >= 0
        return SourceResult(near[found], query.repeat(found.sum(axis=1)), missing)

    return near_recent


def near_recent_listed(lists: NeighbourLists) -> Source:
    """The same of a process that holds no vectors."""

    async def near_recent(batch: QueryBatch) -> SourceResult:
        query, column = np.nonzero(batch.query_features.interests >= 0)
        interests = batch.query_features.interests[query, column].tolist()
        found, places = await lists.find(interests), query.tolist()
        near = [NO_ROWS if (rows := found.get(row)) is None else rows for row in interests]
        asked = [(place, found[row]) for place, row in zip(places, interests, strict=True) if row in found]
        answered = {place for place, rows in asked if rows is not None}
        silent = {place for place, rows in asked if rows is None} | {*places} - answered
        missing = dict.fromkeys(sorted(silent), "vector_index")
        return SourceResult(np.concatenate([NO_ROWS, *near]), query.repeat([*map(len, near)]), missing)

    return near_recent


def near_recent_by(index: RemoteIndex, catalogue: Catalogue, size: int, where: Where = anything) -> Source:
    """The same by an index elsewhere that is asked for each person: what they have met leaves room for others."""
    tastes = Tastes(catalogue, where)

    async def near_recent(batch: QueryBatch) -> SourceResult:
        asked = {place: one for place, one in enumerate(tastes.of(batch, index.coverage.rows)) if one is not None}
        found = dict(zip(asked, await index.near_people([*asked.values()], size), strict=True))
        interested = np.flatnonzero((batch.query_features.interests >= 0).any(axis=1)).tolist()
        missing = dict.fromkeys((place for place in interested if found.get(place) is None), "vector_index")
        rows = {place: catalogue.rows(video_ids) for place, video_ids in found.items() if video_ids}
        places = np.array([*rows], np.int64).repeat([*map(len, rows.values())])
        return SourceResult(np.concatenate([NO_ROWS, *rows.values()]), places, missing)

    return near_recent


def trending(catalogue: Catalogue, size: int = TOP_LENGTH) -> Source:
    """What many people watch or like at present."""

    async def trending(batch: QueryBatch) -> SourceResult:
        return listed(lambda tops: tops.trending[:size], batch, catalogue)

    return trending


def trending_here(catalogue: Catalogue, parameters: Parameters, size: int = TOP_LENGTH) -> Source:
    """What many people finish at present on the surface on which the person watches."""
    trends = SurfaceTrends(catalogue, parameters)

    async def trending_here(batch: QueryBatch) -> SourceResult:
        rows = [trends.top(surface_of(query))[:size] for query in batch.queries]
        return SourceResult(np.concatenate(rows or [NO_ROWS]), np.arange(len(rows)).repeat([*map(len, rows)]))

    return trending_here


def fresh(catalogue: Catalogue, size: int = TOP_LENGTH) -> Source:
    """The newest uploads; exploration draws from these."""

    async def fresh(batch: QueryBatch) -> SourceResult:
        return listed(lambda tops: tops.newest[:size], batch, catalogue)

    return fresh


def popular(catalogue: Catalogue, size: int = TOP_LENGTH) -> Source:
    """What most people ever watched or liked: candidates for those of whom nothing is known."""

    async def popular(batch: QueryBatch) -> SourceResult:
        return listed(lambda tops: tops.popular[:size], batch, catalogue)

    return popular


def creators(catalogue: Catalogue, size: int) -> Source:
    """The newest videos, so many of each, of creators whom a person follows or often watches."""

    async def creators(batch: QueryBatch) -> SourceResult:
        favourites = batch.query_features.favourite_creators
        query, column = np.nonzero(favourites >= 0)
        rows = [catalogue.newest_of(creator, size) for creator in favourites[query, column].tolist()]
        return SourceResult(np.concatenate(rows or [NO_ROWS]), query.repeat([*map(len, rows)]))

    return creators


def sequence(retrieval: SequenceRetrieval, size: int) -> Source:
    """What people took to next after what the person took to, by a sequence model."""

    async def sequence(batch: QueryBatch) -> SourceResult:
        rows = retrieval.nearest([query.profile for query in batch.queries], size)
        return SourceResult(np.concatenate(rows or [NO_ROWS]), np.arange(len(rows)).repeat([*map(len, rows)]))

    return sequence


def listed(choose: Callable[[TopLists], Rows], batch: QueryBatch, catalogue: Catalogue) -> SourceResult:
    """A shared list as it is at the tick of each query."""
    if batch.moments is None:
        return same_for_all(choose(catalogue.tops), batch)
    rows = [choose(catalogue.moments.tops[moment]) for moment in batch.moments.tolist()]
    return SourceResult(np.concatenate(rows), np.arange(len(rows)).repeat([*map(len, rows)]))


def same_for_all(rows: Rows, batch: QueryBatch) -> SourceResult:
    """The same rows for every query of a batch."""
    count = len(batch.queries)
    return SourceResult(rows[None].repeat(count, axis=0).ravel(), np.arange(count).repeat(len(rows)))
