"""The indexer: what it makes of records, in whatever order they come, and how it waits for a server."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.fusion.fusion import version_of
from ranker.retrieval.index import IndexRefused, SearchFilter
from schemas.messages import videos
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import CatalogueRecord
from schemas.settings.model import Settings
from streams.app import build_indexer
from streams.errors import OperatorError
from streams.indexing.step import IndexStep
from streams.kafka.records import Record
from streams.metrics.measures import Measures
from streams.qdrant.client import Patience, connect
from streams.qdrant.index import UPSERT_POINTS, QdrantIndex
from streams.qdrant.mapping import Change, Withdrawal
from tests.support.events import NOON, withdrawn
from tests.support.indexed_videos import vectors
from tests.support.qdrant_stub import LOCAL_MODE, QUICK, Answer, QdrantStub
from tests.unit.streams.qdrant.test_named_vectors import BUILT_IN, MODALITIES, NOW, described

pytestmark = LOCAL_MODE


def opened(stub: QdrantStub, patience: Patience = QUICK) -> QdrantIndex:
    return QdrantIndex(
        connect(stub.url), "videos", DIM, version_of("now"), modalities=MODALITIES, reading=patience, writing=patience
    )


@pytest.fixture
async def index(stub: QdrantStub) -> AsyncIterator[QdrantIndex]:
    made = opened(stub)
    await made.start()
    stub.asked.clear()
    yield made
    await made.close()


def records(*made: CatalogueRecord, damaged: bool = False) -> list[Record]:
    values = [videos.encode(one) for one in made] + [b"{"] * damaged
    return [Record("features.v1", 0, at, NOON, b"v", value) for at, value in enumerate(values)]


def changes_of(*made: CatalogueRecord, **more: Any) -> list[Change]:
    return IndexStep(NOW, BUILT_IN).apply(records(*made, **more))


def test_of_each_video_the_newest_record_counts_and_damaged_ones_are_left_out() -> None:
    newer = replace(described(1), at_ms=NOON + 9, title="newer")
    found = changes_of(newer, described(1), described(2), withdrawn("v2", NOON + 5), damaged=True)
    assert [(one.video_id, one.at_ms) for one in found] == [("v1", NOON + 9), ("v2", NOON + 5)]
    assert isinstance(found[1], Withdrawal)


def test_videos_of_other_models_are_left_out_and_counted() -> None:
    step = IndexStep(NOW, BUILT_IN)
    old = replace(described(1, models="0123456789abcdef"), vectors={})
    assert [one.video_id for one in step.changes([old, described(2)])] == ["v2"]
    assert step.missing == 1


def test_a_vector_of_another_length_ends_no_worker() -> None:
    short = encode_vector(version_of("now"), np.ones(7, np.float32))
    assert short is not None
    foreign = replace(described(1), vectors={RETRIEVAL: short})
    assert changes_of(foreign) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_in_whatever_order_records_arrive_the_newest_is_what_the_index_holds(
    index: QdrantIndex, order: tuple[int, ...]
) -> None:
    """As when a worker that was frozen goes on after another one has read its partition."""
    story = [described(1), withdrawn("v1", NOON + 5), replace(described(1), at_ms=NOON + 9, title="again")]
    for at in order:
        await index.write(changes_of(story[at]))
    assert await index.count() == 1
    [hit] = await index.find(changes_of(described(1))[0].vector, 5)  # type: ignore[union-attr]
    assert hit.video.title == "again"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_withdrawn_video_stays_out_although_its_upload_is_written_again(
    index: QdrantIndex, order: tuple[int, ...]
) -> None:
    story = [described(1), withdrawn("v1", NOON + 1)]  # at the same time, as when the clocks differed
    for at in (*order, 0):
        await index.write(changes_of(story[at]))
    assert await index.count() == 0 and await index.vectors_of("v1") is None
    assert [hits.video_ids for hits in await index.near(vectors(1, 1).repeat(DIM // 16, axis=1), 5)] == [[]]


async def test_a_batch_of_many_times_is_one_operation_that_refuses_what_is_older(
    stub: QdrantStub, index: QdrantIndex
) -> None:
    made = [changes_of(described(n))[0] for n in range(UPSERT_POINTS)]
    await index.write(made)
    assert [(one.method, one.path, one.query["wait"]) for one in stub.asked] == [
        ("PUT", "/collections/videos/points", "true")
    ]
    older = [changes_of(replace(described(n), at_ms=NOON - 1, title="older"))[0] for n in range(UPSERT_POINTS)]
    await index.write(older)
    found = await index.find(vectors(1, 1).repeat(DIM // 16, axis=1)[0], UPSERT_POINTS, SearchFilter())
    assert len(found) == UPSERT_POINTS and not [hit for hit in found if hit.video.title == "older"]


async def test_a_video_that_the_server_refuses_keeps_no_other_out_and_is_named(
    stub: QdrantStub, index: QdrantIndex, caplog: pytest.LogCaptureFixture
) -> None:
    made = [changes_of(described(n))[0] for n in range(100)]
    stub.refused = {"v3", "v99"}
    assert await index.write(made) == ["v3", "v99"]
    assert await index.count() == 98
    said = [one.getMessage() for one in caplog.records]
    assert sorted(line.split(" is left out")[0] for line in said) == ["video v3", "video v99"]
    assert all("HTTP 400" in line and "something of 1 points" in line for line in said)
    writes = [one for one in stub.asked if one.method == "PUT"]
    assert len(writes) <= 2 + 2 + 2 * (2 * 7), "about two requests for each time that 64 is cut in half"


async def test_a_batch_that_is_too_large_is_stored_in_parts(stub: QdrantStub, index: QdrantIndex) -> None:
    made = [changes_of(described(n))[0] for n in range(UPSERT_POINTS)]
    stub.most_bytes = 200_000
    assert await index.write(made) == []
    assert await index.count() == UPSERT_POINTS


async def test_nothing_is_left_out_where_the_server_stores_nothing_at_all(stub: QdrantStub, index: QdrantIndex) -> None:
    made = [changes_of(described(n))[0] for n in range(UPSERT_POINTS)]
    stub.is_full = True
    with pytest.raises(IndexRefused, match="refused to store anything"):
        await index.write(made)
    stub.asked.clear()
    stub.is_full = False
    assert await index.write(made) == [] and await index.count() == UPSERT_POINTS


async def test_who_may_not_write_leaves_no_video_out(stub: QdrantStub, index: QdrantIndex) -> None:
    stub.next(Answer(403))
    with pytest.raises(IndexRefused, match="does not allow the key"):
        await index.write([changes_of(described(1))[0]])


def test_without_a_server_there_is_nothing_to_index() -> None:
    with pytest.raises(OperatorError, match="No Qdrant server is set"):
        build_indexer(Settings(), Measures())
