"""A rebuild waits for the graph that the server builds after a load, and not for ever."""

from collections.abc import AsyncIterator

import pytest

from streams.operations import rebuild
from streams.operations.rebuild import until_optimised
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex
from tests.support.indexed_videos import DIM, ENCODER, shelf
from tests.support.qdrant_stub import LOCAL_MODE, QUICK, QdrantStub

pytestmark = LOCAL_MODE


@pytest.fixture
async def index(stub: QdrantStub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[QdrantIndex]:
    monkeypatch.setattr(rebuild, "OPTIMISING_LOOK_S", 0.001)
    made = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, writing=QUICK)
    await made.start()
    await made.upsert(shelf(3))
    yield made
    await made.close()


async def test_the_alias_waits_until_the_collection_is_green(stub: QdrantStub, index: QdrantIndex) -> None:
    stub.yellow, told = 5, list[str]()
    await until_optimised(index.collection, told.append)
    assert stub.yellow == 0
    assert told == ["All is written; the alias waits until Qdrant has built its graph."]


async def test_one_that_is_green_is_not_worth_a_word(index: QdrantIndex) -> None:
    told: list[str] = []
    await until_optimised(index.collection, told.append)
    assert told == []


async def test_an_optimiser_that_never_ends_holds_up_the_alias_for_a_while_only(
    stub: QdrantStub, index: QdrantIndex
) -> None:
    stub.yellow, told = 1_000_000, list[str]()
    await until_optimised(index.collection, told.append, limit_s=0.05)
    assert told[-1] == "Qdrant still builds its graph after 0.05 s; the alias does not wait any longer."
