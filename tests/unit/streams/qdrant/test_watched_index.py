"""A ranker's view of a Qdrant server: away, silent, empty, half filled, another one, strict; no slate waits for it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
import pytest
from qdrant_client import models

from encoders.fusion.embeddings import DIM
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import Entry
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import IndexedVideo, IndexUnavailable
from ranker.retrieval.neighbour_cache import NeighbourCache
from streams.qdrant.client import READING, Patience, connect
from streams.qdrant.index import QdrantIndex
from streams.qdrant.progress import Progress
from streams.qdrant.watched_index import Seen, WatchedIndex
from tests.support.idle_time import skip_idle_time
from tests.support.indexed_videos import OPENAPI, assert_published
from tests.support.qdrant_stub import LOCAL_MODE, QUICK, SILENCE, Answer, QdrantStub, new_stub, running

COUNT, K = 60, 8

pytestmark = LOCAL_MODE


@dataclass
class Ranker:
    """What a ranking process holds, and a server that an indexer fills."""

    stub: QdrantStub
    catalogue: Catalogue
    writer: QdrantIndex
    watched: WatchedIndex
    clock: list[float]
    read: int = 0

    def learn(self, count: int) -> None:
        """The process reads so many videos of features.v1."""
        self.catalogue.add(Entry(f"v{n}", n, vector(n)) for n in range(self.read, count))
        self.read = count

    async def fill(self, start: int, stop: int, goal: int = COUNT) -> None:
        """The indexer writes these videos, and notes how far it is."""
        generation = await self.writer.start()
        await self.writer.write([IndexedVideo(f"v{n}", vector(n), n) for n in range(start, stop)])
        await self.writer.collection.note(generation, [Progress(0, 1, stop, goal, "t")])

    async def is_usable(self) -> bool:
        await self.watched.look()
        try:
            await self.watched.near(vector(0)[None], K)
        except IndexUnavailable:
            return False
        return True


def vector(n: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    row = np.random.default_rng(n).standard_normal(DIM).astype(np.float32)
    unit: np.ndarray[tuple[int], np.dtype[np.float32]] = row / np.linalg.norm(row)
    return unit


@pytest.fixture
async def ranker() -> AsyncIterator[Ranker]:
    skip_idle_time()
    async with running(new_stub()) as stub:
        catalogue, clock = Catalogue(DIM), [0.0]
        writer = QdrantIndex(connect(stub.url), "videos", DIM, "fused@3", writing=QUICK)
        reader = QdrantIndex(connect(stub.url), "videos", DIM, "fused@3", writing=READING)

        def seen() -> Seen:
            known = made.catalogue
            return Seen("t", {0: made.read} if made.read else {}, known.size, known.compactions)

        made = Ranker(stub, catalogue, writer, WatchedIndex(reader, 1, seen, lambda: clock[0]), clock)
        made.learn(COUNT)
        yield made
        await writer.close()
        await reader.close()
    if OPENAPI.exists():
        assert_published(stub.asked)


async def test_slates_use_an_index_once_it_has_what_the_process_has_read(
    ranker: Ranker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "freshet.index")
    with pytest.raises(IndexUnavailable, match="not looked at yet"):
        await ranker.watched.near(vector(0)[None], K)
    assert not await ranker.is_usable()  # there is none
    await ranker.fill(0, 40)
    assert not await ranker.is_usable()  # it is half filled
    with pytest.raises(IndexUnavailable, match="Qdrant has 40 of 60 records"):
        await ranker.watched.near(vector(0)[None], K)
    await ranker.fill(40, COUNT)
    assert await ranker.is_usable()
    said = [one.getMessage().split(":")[0] for one in caplog.records]
    assert said == ["slates are made without the vector index", "slates are made with the vector index again"]


async def test_what_the_index_lacks_of_later_videos_is_compared_here(ranker: Ranker) -> None:
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable() and ranker.watched.coverage.rows == COUNT
    ranker.learn(COUNT + 30)  # and the indexer is behind
    cache, videos = NeighbourCache(ranker.watched, ranker.catalogue, K), np.arange(20, dtype=np.int32)
    await cache.find(videos)
    exact = await NeighbourCache(ExactIndex(ranker.catalogue), ranker.catalogue, K).find(videos)
    near, known = cache.known(videos)
    assert known.all() and (near == exact).all()


async def test_short_answers_are_not_remembered_and_another_filling_forgets_all(ranker: Ranker) -> None:
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    cache, videos = NeighbourCache(ranker.watched, ranker.catalogue, K), np.arange(3, dtype=np.int32)
    await ranker.writer.remove([f"v{n}" for n in range(3, COUNT)])  # by hand
    assert (await cache.find(videos) >= 0).sum() == 9
    assert not cache.known(videos)[1].any()
    await ranker.stub.delete("videos")
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    await cache.find(videos)
    assert cache.known(videos)[1].all()
    await ranker.stub.delete("videos")
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    assert not cache.known(videos)[1].any()


async def test_an_index_that_is_emptied_is_not_used_until_it_is_full_again(ranker: Ranker) -> None:
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    await ranker.stub.delete("videos")
    assert not await ranker.is_usable()
    await ranker.fill(0, 10)
    assert not await ranker.is_usable()
    await ranker.fill(10, COUNT)
    assert await ranker.is_usable()


async def test_an_index_put_back_from_an_older_copy_is_not_used_until_it_has_caught_up(ranker: Ranker) -> None:
    await ranker.fill(0, 30)
    older = await ranker.stub.snapshot("videos")
    await ranker.fill(30, COUNT)
    assert await ranker.is_usable()
    await ranker.stub.restore("videos", older)  # of the same generation
    assert not await ranker.is_usable()
    assert ranker.watched.coverage.rows == 0
    await ranker.fill(30, COUNT)
    assert await ranker.is_usable()


async def test_an_index_whose_graph_is_still_built_is_used(ranker: Ranker) -> None:
    await ranker.fill(0, COUNT)
    ranker.stub.yellow = 1_000  # its searches are slower, and exact
    assert await ranker.is_usable()


async def test_a_silent_server_costs_one_slate_a_fraction_of_a_second_and_is_probed_beside(
    ranker: Ranker, caplog: pytest.LogCaptureFixture
) -> None:
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    ranker.stub.always, now = SILENCE, asyncio.get_running_loop().time
    began_s = now()
    for _ in range(5):
        with pytest.raises(IndexUnavailable):
            await ranker.watched.near(vector(0)[None], K)
    assert now() - began_s < 1.0
    ranker.stub.always = None
    await ranker.watched.look()
    with pytest.raises(IndexUnavailable):  # it was silent a moment ago
        await ranker.watched.near(vector(0)[None], K)
    ranker.clock[0] += 5.0
    assert await ranker.is_usable()
    assert [one.getMessage().split(":")[0] for one in caplog.records if one.name == "freshet.index"] == [
        "slates are made without the vector index"
    ]


@pytest.mark.parametrize("trouble", [Answer(503), Answer(401), Answer(404), SILENCE])
async def test_whatever_a_server_answers_a_look_raises_nothing(ranker: Ranker, trouble: Answer) -> None:
    ranker.stub.always = trouble
    assert not await ranker.is_usable()


async def test_a_server_of_a_wrong_version_is_not_used(ranker: Ranker) -> None:
    await ranker.fill(0, COUNT)
    ranker.stub.version = "1.15.5"
    assert not await ranker.is_usable()
    with pytest.raises(IndexUnavailable, match=r"1\.15\.5 is not supported"):
        await ranker.watched.near(vector(0)[None], K)


async def test_the_limits_of_strict_mode_are_kept(ranker: Ranker) -> None:
    ranker.stub.strict = models.StrictModeConfigOutput(
        enabled=True,
        max_query_limit=10,
        search_max_batchsize=5,
        search_max_hnsw_ef=64,
        upsert_max_batchsize=20,
        filter_max_conditions=30,
    )
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    videos = np.arange(40, dtype=np.int32)
    cache = NeighbourCache(ranker.watched, ranker.catalogue, K)
    assert (await cache.find(videos) >= 0).all() and cache.known(videos)[1].all()


async def test_what_is_queued_on_the_server_is_not_taken_for_done(ranker: Ranker) -> None:
    hasty = QdrantIndex(connect(ranker.stub.url), "videos", DIM, "fused@3", writing=Patience(0.2, 0.4))
    await hasty.start()
    ranker.stub.is_late = True
    with pytest.raises(IndexUnavailable, match="did not store videos"):
        await hasty.write([IndexedVideo("v1", vector(1), 1)])
    await hasty.close()


async def test_what_was_found_before_a_silence_is_kept(ranker: Ranker) -> None:
    await ranker.fill(0, COUNT)
    assert await ranker.is_usable()
    cache, videos = NeighbourCache(ranker.watched, ranker.catalogue, K), np.arange(COUNT, dtype=np.int32)
    ranker.stub.next(Answer(200, after=True), *[SILENCE] * 3)
    with pytest.raises(IndexUnavailable):
        await cache.find(videos)
    assert 0 < cache.known(videos)[1].sum() < COUNT
