"""The laws of a video index over Qdrant's own engine: its segments, graphs, int8, filters and payload indexes.

Left out where qdrant-edge-py is not installed (`make edge`). Between the adapter and the engine are the stub's HTTP
and a translation, which says what the engine has not (tests/support/edge.py); each request is held against the
published interface. From 1 kB of vectors on a graph is made after each write, as a server makes one from 20 MB on.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import IndexedVideo, SearchFilter, Taste, VideoIndex
from ranker.testing import VideoIndexLaws
from ranker.testing.indexes import MINUTE_MS
from streams.qdrant.client import connect
from streams.qdrant.collection import DEFAULT
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Withdrawal
from streams.qdrant.people import near_people
from streams.qdrant.storage import Storage
from tests.support.idle_time import skip_idle_time
from tests.support.indexed_videos import DIM, ENCODER, OPENAPI, T0, assert_published, shelf, vectors, video
from tests.support.qdrant_stub import LOCAL_MODE, QUICK, running

pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed (make edge)")

from tests.support.edge_stub import EdgeStub

pytestmark = LOCAL_MODE

SMALL = Storage(is_quantized=True, is_on_disk=True)
WAYS = {
    "every vector is looked at": (None, DEFAULT),
    "a graph": (1, DEFAULT),
    "a graph of int8, float32 on disk": (1, SMALL),
}
MANY = 300


@asynccontextmanager
async def engine(threshold_kb: int | None = None, storage: Storage = DEFAULT) -> AsyncIterator[QdrantIndex]:
    """An empty index over the engine."""
    skip_idle_time()
    stub = EdgeStub(threshold_kb=threshold_kb)
    async with running(stub):
        index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, reading=QUICK, writing=QUICK, storage=storage)
        await index.start()
        try:
            yield index
        finally:
            await index.close()
            await stub.end()
    if OPENAPI.exists():
        assert_published(stub.asked)


class TestEngine(VideoIndexLaws):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[VideoIndex]:
        async with engine() as index:
            yield index


class TestEngineWithAGraph(VideoIndexLaws):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[VideoIndex]:
        async with engine(threshold_kb=1) as index:
            yield index


class TestEngineWithAGraphOfInt8(VideoIndexLaws):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[VideoIndex]:
        async with engine(threshold_kb=1, storage=SMALL) as index:
            yield index


@pytest.fixture(params=WAYS, name="index")
async def index_of(request: pytest.FixtureRequest) -> AsyncIterator[QdrantIndex]:
    async with engine(*WAYS[request.param]) as index:
        yield index


def some(count: int, seed: int) -> list[IndexedVideo]:
    """Videos of which every fifth has no category and no language."""
    about = partial(dict, creator_id="c")
    return [
        video(
            f"v{n:04}", row, T0 + n * MINUTE_MS, **about(category=f"k{n}", language=("en", "é")[n % 2]) if n % 5 else {}
        )
        for n, row in enumerate(vectors(count, seed))
    ]


async def test_the_engine_makes_a_graph_of_what_is_written() -> None:
    for threshold_kb, made in ((1, 40), (None, 0)):
        async with engine(threshold_kb) as index:
            await index.upsert(shelf())
            found = await index._client.get_collection(index.collection.name)
            assert found.indexed_vectors_count == made


async def test_whatever_is_written_in_whatever_order_what_is_found_is_what_the_exact_index_finds(
    index: QdrantIndex,
) -> None:
    exact, chance = ExactIndex(Catalogue(DIM)), np.random.default_rng(3)
    known = some(MANY, 1)
    for turn in range(6):
        changed = [replace(known[n], at_ms=known[n].at_ms + turn) for n in chance.permutation(MANY)[: MANY // 2]]
        gone = [f"v{n:04}" for n in chance.integers(0, MANY, 20)]
        for one in (index, exact):
            await one.upsert(changed)
            await one.remove(gone)
    assert await index.count() == await exact.count()
    filters = [
        None,
        SearchFilter(languages=("é",)),
        SearchFilter(categories=tuple(f"k{n}" for n in range(0, MANY, 2))),
        SearchFilter(not_before_ms=T0 + 250 * MINUTE_MS),
        SearchFilter(("en", "é"), exclude=frozenset(f"v{n:04}" for n in range(0, MANY, 3))),
    ]
    for where in filters:
        asked = vectors(20, seed=9)
        for found, truth in zip(await index.near(asked, 10, where), await exact.near(asked, 10, where), strict=True):
            assert found.video_ids == truth.video_ids
            np.testing.assert_allclose(found.scores, truth.scores, atol=1e-6)


async def test_ids_and_words_of_any_script_are_compared_byte_by_byte(index: QdrantIndex) -> None:
    names = ("é", "e\u0301", "É", "видео", "影片", "a b", "a\u00a0b", "🎬", "")
    rows = vectors(len(names), seed=4)
    await index.upsert(some(40, 5))
    await index.upsert([video(f"x{name}", row, category=name) for name, row in zip(names, rows, strict=True)])
    for name, row in zip(names, rows, strict=True):
        [found] = await index.near(row[None], 5, SearchFilter(categories=(name,)))
        assert found.video_ids == [f"x{name}"]


async def test_a_withdrawn_video_is_found_by_nothing_and_comes_back_only_by_a_later_upload(index: QdrantIndex) -> None:
    videos = some(40, 6)
    await index.upsert(videos)
    await index.write([Withdrawal("v0007", T0 + 90 * MINUTE_MS)])
    await index.upsert(videos)
    assert await index.count() == 39 and await index.vectors_of("v0007") is None
    [found] = await index.near(videos[7].vector[None], 40)
    assert len(found.video_ids) == 39 and "v0007" not in found.video_ids
    assert await near_people(index, [Taste(("v0007",)), Taste(("v0008",))], 3) == [None, await near(index, "v0008")]
    await index.upsert([replace(videos[7], at_ms=T0 + 91 * MINUTE_MS)])
    assert (await index.near(videos[7].vector[None], 1))[0].video_ids == ["v0007"]


async def near(index: QdrantIndex, video_id: str) -> list[str]:
    """The three nearest videos of one, without it."""
    held = await index.vectors_of(video_id)
    assert held is not None
    [hits] = await index.near(held["retrieval"][None], 4)
    return hits.video_ids[1:]


async def test_conditions_hold_for_each_interest_of_a_person(index: QdrantIndex) -> None:
    videos = some(MANY, 7)
    await index.upsert(videos)
    where = SearchFilter(languages=("é",), exclude=frozenset({"v0011"}))
    [found] = await near_people(index, [Taste(("v0001", "v0002"), where)], 10)
    truth = {
        one
        for own in (1, 2)
        for hits in await index.near(
            videos[own].vector[None], 10, replace(where, exclude=frozenset({"v0011", f"v{own:04}"}))
        )
        for one in hits.video_ids
    }
    assert set(found or ()) == truth


async def test_a_query_of_zeros_is_answered(index: QdrantIndex) -> None:
    """By it is known whether a server answers at all."""
    await index.upsert(some(40, 8))
    [found] = await index.near(np.zeros((1, DIM), np.float32), 1)
    assert found.scores.tolist() == [0.0]


async def test_a_graph_leads_to_some_thirty_of_the_videos_with_the_very_same_vector_and_loses_no_other() -> None:
    """docs/qdrant.md says so: such videos have the same title and nothing else."""
    async with engine(threshold_kb=1) as index:
        others, same = some(40, 2), vectors(1, seed=3)[0]
        await index.upsert([*others, *(video(f"same{n:03}", same) for n in range(200))])
        [found] = await index.near(same[None], 240)
        alike = [one for one in found.video_ids if one.startswith("same")]
        assert 16 <= len(alike) < 200
        [exact] = await index.searching(QUICK, exact=True).near(same[None], 240)
        assert len(exact.video_ids) == 240
        for one in others:
            [hits] = await index.near(one.vector[None], 1)
            assert hits.video_ids == [one.video_id]
