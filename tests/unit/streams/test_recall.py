"""`freshet index recall`: what share of the nearest videos a search finds, whose truth is the server's exact search."""

import asyncio
from collections.abc import Iterator

import pytest

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from ranker.retrieval.index import IndexedVideo
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.operations.recall import recall
from streams.qdrant.index import open_index
from streams.qdrant.progress import Progress
from tests.support.brokers import CACHE
from tests.support.command import Freshet
from tests.support.indexed_videos import vectors
from tests.support.qdrant_stub import LOCAL_MODE, QdrantStub, aside, new_stub

pytestmark = LOCAL_MODE

COUNT, MANY = 60, 10


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with aside(new_stub()) as server:
        yield server


async def fill(stub: QdrantStub) -> Settings:
    settings = Settings(qdrant_url=stub.url, partitions=1, cache_dir=CACHE.settings.cache_dir)
    index = await open_index(settings, DIM, version_of(fusion_of(settings).version))
    rows = vectors(COUNT, seed=3).repeat(DIM // 16, axis=1) / 4
    await index.upsert([IndexedVideo(f"v{n}", row, n) for n, row in enumerate(rows)])
    await index.collection.note(await index.start(), [Progress(0, 1, COUNT, COUNT, "t")])
    await index.close()
    return settings


def said(report: str) -> None:
    pytest.fail(report)


@pytest.mark.parametrize("misses", [0, 2, 4])
def test_it_is_the_share_of_the_nearest_others_that_a_search_finds(stub: QdrantStub, misses: int) -> None:
    settings = asyncio.run(fill(stub))
    stub.misses = misses
    found = recall(settings, 20, MANY, None, said)
    assert (found.sample, found.videos, found.many, found.ef) == (20, COUNT, MANY, 128)
    assert found.recall == pytest.approx(1 - misses / MANY) and found.lowest == pytest.approx(found.recall)


def test_another_width_and_more_videos_than_there_are(stub: QdrantStub) -> None:
    settings = asyncio.run(fill(stub))
    found = recall(settings, 500, MANY, 64, said)
    assert (found.sample, found.ef, found.recall) == (COUNT, 64, 1.0)


def test_the_width_is_that_of_the_search(stub: QdrantStub) -> None:
    settings = asyncio.run(fill(stub))
    found = recall(settings, 5, COUNT, 64, said)
    bodies = [asked.body for asked in stub.asked if asked.path.endswith("points/query/batch")]
    widths = {search["params"]["hnsw_ef"] for body in bodies for search in body["searches"] if "params" in search}
    assert found.ef == max(widths) > 64


def test_without_a_server_it_says_so() -> None:
    with pytest.raises(OperatorError, match="the embedded index is exact"):
        recall(Settings(), 5, MANY, None, said)


def test_the_command_prints_what_was_found(stub: QdrantStub, freshet: Freshet, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(fill(stub))
    monkeypatch.setenv("FRESHET_PARTITIONS", "1")
    ran = freshet("index", "recall", "--qdrant-url", stub.url, "--sample", "5")
    assert ran.code == 0 and ran.err == ""
    assert ran.out.startswith("recall@32 1.000 (the lowest 1.00) at hnsw_ef 128, of 5 among 60 videos;")
