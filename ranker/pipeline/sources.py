"""Sources: where candidates come from. Each answers a whole batch; only `near_recent` ever waits."""

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.types import NONE, Asked, Found, Rows, Source
from ranker.retrieval.index import IndexUnavailable
from ranker.retrieval.neighbour_cache import Neighbours

NEAR = 32  # neighbours of each interest; a guess
OF_CREATOR = 8  # newest videos of each creator; a guess


def near_recent(neighbours: Neighbours) -> Source:
    """Videos near what a person watched or liked lately, each interest on its own."""

    async def near_recent(asked: Asked) -> Found:
        of, place = np.nonzero(asked.taste.interests >= 0)
        interests = asked.taste.interests[of, place]
        missing = {}
        try:
            near = await neighbours.find(interests)
        except IndexUnavailable:
            near, known = neighbours.known(interests)
            missing = dict.fromkeys(of[~known].tolist(), "vector_index")
        there = near >= 0
        return Found(near[there], of.repeat(there.sum(axis=1)), missing)

    return near_recent


def trending(catalogue: Catalogue) -> Source:
    """What many people turn to right now."""

    async def trending(asked: Asked) -> Found:
        return for_all(catalogue.tops.trending, asked)

    return trending


def fresh(catalogue: Catalogue) -> Source:
    """The newest uploads; exploration draws from these."""

    async def fresh(asked: Asked) -> Found:
        return for_all(catalogue.tops.newest, asked)

    return fresh


def popular(catalogue: Catalogue) -> Source:
    """What most people turned to, ever: the floor."""

    async def popular(asked: Asked) -> Found:
        return for_all(catalogue.tops.popular, asked)

    return popular


def creators(catalogue: Catalogue) -> Source:
    """The newest videos of creators whom a person follows or often watches."""

    async def creators(asked: Asked) -> Found:
        of, place = np.nonzero(asked.taste.own >= 0)
        rows = [catalogue.newest_of(one, OF_CREATOR) for one in asked.taste.own[of, place].tolist()]
        return Found(np.concatenate(rows or [NONE]), of.repeat([*map(len, rows)]))

    return creators


def for_all(rows: Rows, asked: Asked) -> Found:
    """The same rows for every query of a batch."""
    count = len(asked.queries)
    return Found(rows[None].repeat(count, axis=0).ravel(), np.arange(count).repeat(len(rows)))
