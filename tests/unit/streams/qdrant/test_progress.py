"""What a collection says of its progress is changed by who marked it last, and in no copy from before."""

import pytest
from qdrant_client import models

from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex
from streams.qdrant.progress import Progress
from tests.support.indexed_videos import DIM, ENCODER, shelf
from tests.support.qdrant_stub import LOCAL_MODE, QUICK, Answer, QdrantStub

pytestmark = LOCAL_MODE


class Opened:
    """A collection with notes of two partitions, marked."""

    def __init__(self, stub: QdrantStub) -> None:
        self.stub = stub
        self.index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER, reading=QUICK, writing=QUICK)
        self.collection, self.generation = self.index.collection, ""

    async def start(self) -> None:
        self.generation = await self.index.start()
        await self.collection.note(self.generation, [note(0, 5), note(1, 7)], "one")

    async def reached(self) -> dict[int, int]:
        found = await self.collection.progress(self.generation, range(3))
        return {partition: one.reached for partition, one in found.items()}


def note(partition: int, reached: int) -> Progress:
    return Progress(partition, 2, reached, 9, "t")


@pytest.fixture
async def opened(stub: QdrantStub) -> Opened:
    made = Opened(stub)
    await made.start()
    return made


async def test_who_knows_the_mark_changes_what_is_said_and_who_does_not_changes_nothing(opened: Opened) -> None:
    await opened.collection.note_where(opened.generation, [note(0, 6)], "one")
    await opened.collection.note_where(opened.generation, [note(1, 8)], "another")
    assert await opened.reached() == {0: 6, 1: 7}


async def test_nothing_is_said_of_a_partition_of_which_nothing_was_said(opened: Opened) -> None:
    """As in a copy from before the first note."""
    await opened.collection.mark(opened.generation, [0, 2], "two")
    await opened.collection.note_where(opened.generation, [note(0, 6), note(2, 6)], "two")
    assert await opened.reached() == {0: 6, 1: 7}


async def test_a_copy_from_before_the_mark_takes_no_note(opened: Opened) -> None:
    older = await opened.stub.snapshot("videos")
    await opened.collection.mark(opened.generation, [0, 1], "two", "one")
    await opened.index.upsert(shelf(3))
    await opened.stub.restore("videos", older)
    await opened.collection.note_where(opened.generation, [note(0, 6)], "two")
    await opened.collection.mark(opened.generation, [0, 1], "three", "two")  # nor does what comes after it
    await opened.collection.note_where(opened.generation, [note(0, 7)], "three")
    assert await opened.reached() == {0: 5, 1: 7}


async def test_a_mark_whose_answer_was_lost_is_set_again(opened: Opened) -> None:
    opened.stub.next(Answer(503, after=True))
    await opened.collection.mark(opened.generation, [0, 1], "two", "one")
    await opened.collection.note_where(opened.generation, [note(0, 6)], "two")
    assert await opened.reached() == {0: 6, 1: 7}


async def test_every_copy_of_a_cluster_sees_marks_in_one_order(opened: Opened) -> None:
    opened.stub.asked.clear()
    await opened.collection.mark(opened.generation, [0, 1], "two", "one")
    await opened.collection.note_where(opened.generation, [note(0, 6)], "two")
    assert [(one.query["wait"], one.query["ordering"]) for one in opened.stub.asked] == [("true", "medium")] * 2


async def test_strict_mode_takes_them(opened: Opened) -> None:
    opened.stub.strict = models.StrictModeConfigOutput(
        enabled=True, unindexed_filtering_update=False, condition_max_size=1, filter_max_conditions=3
    )
    await opened.collection.look()
    await opened.collection.mark(opened.generation, [0, 1], "two", "one")
    await opened.collection.note_where(opened.generation, [note(0, 6), note(1, 8)], "two")
    assert await opened.reached() == {0: 6, 1: 8}
    del opened.stub.indexes["mark"]
    with pytest.raises(Exception, match="Index required but not found"):
        await opened.collection.mark(opened.generation, [0], "three", "two")
