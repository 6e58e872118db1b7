"""Sources: where candidates come from. Each answers a whole batch; only `near_recent` ever waits."""

from collections.abc import Sequence

import numpy as np

from ranker.candidates import NONE, Found, Query, Rows, Source
from ranker.catalogue import Catalogue
from ranker.index import IndexUnavailable
from ranker.neighbours import Neighbours

NEAR = 32  # neighbours of each interest; a guess
CREATORS, OF_CREATOR = 4, 8  # creators of a person, and newest videos of each; guesses
OFTEN = 2.0  # from so many whole watches on, a creator is one of a person's own; a guess


def near_recent(neighbours: Neighbours) -> Source:
    """Videos near what a person watched or liked lately, each interest on its own."""

    async def near_recent(queries: Sequence[Query]) -> list[Found]:
        wanted = dict.fromkeys(row for query in queries for row in query.taste.interests.tolist())
        try:
            near, missing = await neighbours.find(list(wanted)), ""
        except IndexUnavailable:
            near, missing = neighbours.known(list(wanted)), "vector_index"
        found = []
        for query in queries:
            interests = query.taste.interests.tolist()
            rows = [near[row].rows for row in interests if row in near]
            lacks = missing if len(rows) < len(interests) else ""
            found.append(Found(np.concatenate(rows) if rows else NONE, lacks))
        return found

    return near_recent


def trending(catalogue: Catalogue) -> Source:
    """What many people turn to right now."""

    async def trending(queries: Sequence[Query]) -> list[Found]:
        return [Found(catalogue.tops.trending)] * len(queries)

    return trending


def fresh(catalogue: Catalogue) -> Source:
    """The newest uploads; exploration draws from these."""

    async def fresh(queries: Sequence[Query]) -> list[Found]:
        return [Found(catalogue.tops.newest)] * len(queries)

    return fresh


def popular(catalogue: Catalogue) -> Source:
    """What most people turned to, ever: the floor."""

    async def popular(queries: Sequence[Query]) -> list[Found]:
        return [Found(catalogue.tops.popular)] * len(queries)

    return popular


def creators(catalogue: Catalogue) -> Source:
    """The newest videos of creators whom a person follows or often watches."""

    def of_one(query: Query) -> Rows:
        own = [creator for creator, strength in query.taste.creators.items() if strength >= OFTEN]
        rows = [catalogue.newest_of(creator, OF_CREATOR) for creator in own[:CREATORS]]
        return np.concatenate(rows) if rows else NONE

    async def creators(queries: Sequence[Query]) -> list[Found]:
        return [Found(of_one(query)) for query in queries]

    return creators
