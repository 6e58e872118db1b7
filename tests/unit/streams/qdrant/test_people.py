"""A server asked for people: one query each, by ids alone; who is not answered is missing, and nobody else."""

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import models

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.types import Query, Slate
from ranker.profile.codec import unpack
from ranker.profile.model import Profile
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import IndexedVideo, SearchFilter, Taste
from schemas.settings.model import Settings
from streams.qdrant.mapping import Withdrawal
from streams.qdrant.progress import Progress
from streams.qdrant.watched_index import SEARCHES_AT_ONCE, VECTORS_AT_ONCE
from tests.bench.ground import START_MS
from tests.bench.ranking import _asked
from tests.bench.world import World
from tests.support.qdrant_stub import LOCAL_MODE, SILENCE, Answer
from tests.unit.ranker.test_vector_cache import shared
from tests.unit.streams.qdrant.test_watched_index import COUNT, K, Ranker, ranker, vector

__all__ = ["ranker"]  # the fixture

pytestmark = LOCAL_MODE

PEOPLE_AT_ONCE = SEARCHES_AT_ONCE // 3  # who have three interests each
PEOPLE = 2 * PEOPLE_AT_ONCE + 3


@pytest.fixture
async def filled(ranker: Ranker) -> AsyncIterator[Ranker]:
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    ranker.stub.asked.clear()
    yield ranker


def taste(person: int) -> Taste:
    near = tuple(f"v{(person + step) % COUNT}" for step in (0, 7, 19))
    return Taste(near, SearchFilter(exclude=frozenset({f"v{(person + 1) % COUNT}", "unknown"})))


async def nearest(catalogue: Catalogue, wanted: Taste) -> set[str]:
    rows, where = catalogue.rows(wanted.near), wanted.where
    found = set[str]()
    for row, own in zip(rows, wanted.near, strict=True):
        [hits] = await ExactIndex(catalogue).near(
            catalogue.vectors[row][None], K, replace(where, exclude=where.exclude | {own})
        )
        found |= {*hits.video_ids}
    return found


def asked_for(ranker: Ranker) -> list[int]:
    """How many people each request was for."""
    return [len(one.body["searches"]) for one in ranker.stub.asked if one.path.endswith("query/batch")]


async def test_everybody_gets_the_nearest_of_each_interest_by_one_query_without_a_vector(filled: Ranker) -> None:
    tastes = [taste(person) for person in range(PEOPLE)]
    found = await filled.watched.near_people(tastes, K)
    assert [set(of_person or ()) for of_person in found] == [await nearest(filled.catalogue, one) for one in tastes]
    assert asked_for(filled) == [PEOPLE_AT_ONCE, PEOPLE_AT_ONCE, 3]
    [search, *_] = filled.stub.asked[0].body["searches"]
    assert [type(one["query"]) for one in search["prefetch"]] == [str] * 3


async def test_who_has_one_interest_costs_one_search(filled: Ranker) -> None:
    found = await filled.watched.near_people([Taste((f"v{n}",)) for n in range(COUNT)] * 2, K)
    assert [set(of_one or ()) for of_one in found[:3]] == [
        await nearest(filled.catalogue, Taste((f"v{n}",))) for n in range(3)
    ]
    assert asked_for(filled) == [SEARCHES_AT_ONCE, 2 * COUNT - SEARCHES_AT_ONCE]
    assert not any("prefetch" in search for search in filled.stub.asked[0].body["searches"])


async def test_conditions_count_for_each_interest(filled: Ranker) -> None:
    where = SearchFilter(not_before_ms=40)
    [found] = await filled.watched.near_people([Taste(("v1", "v2"), where)], 20)
    assert set(found or ()) == {f"v{n}" for n in range(40, COUNT)}


async def test_whose_interest_the_server_knows_no_more_is_alone_in_getting_nothing(filled: Ranker) -> None:
    await filled.writer.write([Withdrawal("v3", 99)])
    tastes = [Taste((f"v{n}",)) for n in range(PEOPLE)]
    found = await filled.watched.near_people([*tastes, Taste(("never-seen",))], K)
    assert [place for place, of_person in enumerate(found) if of_person is None] in ([3, PEOPLE], [PEOPLE])
    assert await filled.is_usable(), "and the server is asked on"


async def test_a_chunk_without_an_answer_is_missing_and_the_one_before_it_is_kept(filled: Ranker) -> None:
    filled.stub.next(Answer(200, after=True), *[SILENCE] * 3)
    found = await filled.watched.near_people([taste(person) for person in range(PEOPLE)], K)
    assert [of_person is None for of_person in found] == [False] * PEOPLE_AT_ONCE + [True] * (PEOPLE_AT_ONCE + 3)


async def test_a_server_that_is_away_is_not_asked(ranker: Ranker) -> None:
    assert await ranker.watched.near_people([taste(0)], K) == [None]
    assert await ranker.watched.vectors(["v0"]) == {}
    assert ranker.stub.asked == []


async def test_vectors_come_in_one_request_and_what_has_none_is_known_to_have_none(filled: Ranker) -> None:
    await filled.writer.write([Withdrawal("v3", 99)])
    filled.stub.asked.clear()
    found = await filled.watched.vectors(["v1", "v3", "never-seen", "v2"])
    assert len(filled.stub.asked) == 1
    assert found.pop("v3") is None and found.pop("never-seen") is None
    for video_id, row in found.items():
        assert row is not None
        np.testing.assert_allclose(row, vector(int(video_id[1:])), atol=1e-6)


async def test_vectors_that_came_before_a_silence_are_kept(filled: Ranker) -> None:
    wanted = [f"v{n}" for n in range(COUNT)] + [f"none-{n}" for n in range(VECTORS_AT_ONCE)]
    filled.stub.next(Answer(200, after=True), *[SILENCE] * 3)
    assert [*await filled.watched.vectors(wanted)] == wanted[:VECTORS_AT_ONCE]


async def test_the_limits_of_strict_mode_are_kept(ranker: Ranker) -> None:
    ranker.stub.strict = models.StrictModeConfigOutput(
        enabled=True, max_query_limit=10, search_max_batchsize=5, search_max_hnsw_ef=64, condition_max_size=1
    )
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    ranker.stub.asked.clear()
    found = await ranker.watched.near_people([taste(person) for person in range(PEOPLE)], K)
    assert all(of_person and len(of_person) <= 10 for of_person in found)
    assert max(asked_for(ranker)) == 5


async def test_slates_by_a_server_are_nearly_those_by_the_exact_index(ranker: Ranker) -> None:
    """What differs is that what people have met leaves room for others."""
    world = World(1500, 24, zipf=False)
    catalogue, rounds = _asked(world)
    bare = Catalogue(holds_vectors=False)
    bare.add(world.entries(START_MS))
    bare.advance(catalogue.now_ms)
    catalogue.advance(catalogue.now_ms)
    ranker.catalogue, ranker.read = bare, 1500
    generation = await ranker.writer.start()
    await ranker.writer.write([IndexedVideo(f"v{n:06}", row, n) for n, row in enumerate(world.vectors())])
    await ranker.writer.collection.note(generation, [Progress(0, 1, 1500, 1500, "t")])
    await ranker.watched.look()
    ranker.watched._slowest_s = 1.0  # local mode compares with every video
    queries = [Query(user, one.version, one.newest_ms, one) for user, one in unpacked(rounds[0])]
    bare.trend, bare.total_popularity = catalogue.trend, catalogue.total_popularity

    async def slates(context: FeedContext) -> list[Slate]:
        return await home.build(context).recommend(queries)

    made = await slates(FeedContext(bare, ranker.watched, Settings()))
    assert not any(slate.degraded for slate in made)
    assert shared(made, await slates(FeedContext(catalogue, ExactIndex(catalogue), Settings()))) >= 0.97


def unpacked(people: list[tuple[str, bytes]]) -> list[tuple[str, Profile]]:
    return [(user, unpack(packed)) for user, packed in people]
