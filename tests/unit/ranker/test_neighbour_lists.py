"""Neighbours that are remembered by a process without vectors: asked for again when they may be others."""

import asyncio
from collections.abc import Sequence

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.compaction import LEAST, compact
from ranker.catalogue.entry import Entry
from ranker.retrieval.index import Taste
from ranker.retrieval.neighbour_lists import NeighbourLists
from tests.support.remote_index import ExactRemote

DIM, K = 8, 3


class Asked(ExactRemote):
    """Writes down for which videos it was asked."""

    def __init__(self, catalogue: Catalogue, rows: int | None = None) -> None:
        super().__init__(catalogue, rows)
        self.videos: list[str] = []

    async def near_people(self, tastes: Sequence[Taste], k: int) -> list[list[str] | None]:
        self.videos += [video_id for taste in tastes for video_id in taste.near]
        return await super().near_people(tastes, k)


def entry(n: int) -> Entry:
    row = np.random.default_rng(n).standard_normal(DIM).astype(np.float32)
    return Entry(f"v{n}", n, row / np.linalg.norm(row))


class World:
    """A process without vectors, and an index that has them."""

    def __init__(self, count: int, capacity: int = 50) -> None:
        self.bare, self.held = Catalogue(DIM, holds_vectors=False), Catalogue(DIM)
        self.index = Asked(self.held)
        self.lists = NeighbourLists(self.index, self.bare, K, capacity)
        self.add(0, count)

    def add(self, start: int, stop: int) -> None:
        for catalogue in (self.bare, self.held):
            catalogue.add(map(entry, range(start, stop)))

    def near(self, *rows: int) -> dict[int, list[str] | None]:
        found = asyncio.run(self.lists.find(rows))
        return {row: None if of is None else [self.bare.ids[one] for one in of] for row, of in found.items()}

    def asked(self) -> list[str]:
        found, self.index.videos = self.index.videos, []
        return found


def nearest(world: World, *rows: int) -> dict[int, list[str] | None]:
    """By comparing with all, but the video itself."""
    scores = world.held.vectors[: world.held.size] @ world.held.vectors[[*rows]].T
    for column, row in enumerate(rows):
        scores[row, column] = -9
    return {row: [world.held.ids[one] for one in np.argsort(-scores[:, c])[:K]] for c, row in enumerate(rows)}


def test_each_video_is_asked_for_once() -> None:
    world = World(40)
    assert world.near(3, 7, 3) == nearest(world, 3, 7)
    assert world.near(7, 9) == nearest(world, 7, 9)
    assert world.asked() == ["v3", "v7", "v9"]


def test_a_list_is_asked_for_again_once_one_in_a_hundred_is_newer() -> None:
    world = World(400)
    world.near(3)
    world.add(400, 404)  # 4 of 404 are fewer than one in a hundred
    world.near(3)
    assert world.asked() == ["v3"]
    world.add(404, 405)
    assert world.near(3) == nearest(world, 3)
    assert world.asked() == ["v3"]


def test_a_list_with_a_withdrawn_video_is_asked_for_again() -> None:
    world = World(40)
    [first] = world.near(3).values()
    assert first
    for catalogue in (world.bare, world.held):
        catalogue.drop(first[:1])
    [second] = world.near(3).values()
    assert second and first[0] not in second
    assert world.asked() == ["v3", "v3"]


def test_another_index_or_other_numbers_of_rows_make_all_forgotten() -> None:
    world = World(LEAST + 40)
    world.near(3)
    world.index.generation = "two"
    world.near(3)
    world.bare.drop([f"v{n}" for n in range(10, LEAST + 10)])
    assert compact(world.bare)
    assert world.near(world.bare.row_of["v3"]).keys() == {world.bare.row_of["v3"]}
    assert world.asked() == ["v3"] * 3


def test_what_is_remembered_stays_as_large_as_it_may_and_the_oldest_goes() -> None:
    world = World(40, capacity=2)
    world.near(1, 2, 3)
    world.asked()
    world.near(3, 2)
    assert world.asked() == []
    world.near(1)
    assert world.asked() == ["v1"]


def test_no_answer_and_a_short_one_are_not_remembered_and_what_is_known_goes_on() -> None:
    world = World(40)
    world.near(3)
    world.index.is_away = True
    assert world.near(3, 4) == nearest(world, 3) | {4: None}
    world.index.is_away = False
    assert world.near(4) == nearest(world, 4)
    few = World(K)
    assert few.near(0) == {0: [video_id for video_id in nearest(few, 0)[0] or () if video_id != "v0"]}
    few.near(0)
    assert few.asked() == ["v0", "v0"]


def test_videos_that_the_index_may_lack_are_not_asked_for() -> None:
    world = World(40)
    world.index.rows = 10
    assert world.near(3, 10).keys() == {3}
    world.index.rows = 0
    assert world.near(3) == {}
    assert world.asked() == ["v3"]
