"""Qdrant put back from an older snapshot, and a rebuild that is killed: both read on from where the collection is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from encoders.fusion.embeddings import DIM, RETRIEVAL, fusion_of
from encoders.fusion.fusion import version_of
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.local.broker import LocalBroker
from streams.operations.rebuild import BATCH_SIZE
from streams.qdrant.index import open_index
from streams.qdrant.mapping import point_id
from streams.worker import supervise
from tests.integration.test_indexer import held, put, version_alias
from tests.support.command import freshet
from tests.support.events import NOON, withdrawn
from tests.support.forked import forked, freshet_command
from tests.support.indexed_videos import vectors
from tests.support.qdrant_stub import QdrantStub, aside, indexed
from tests.support.qdrant_wire import QueryBatch
from tests.support.system import agents, own_topics, wait_until
from tests.unit.streams.qdrant.test_named_vectors import described

pytestmark = pytest.mark.connected

COUNT = 40


class Forgetful(QdrantStub):
    """A server to which something happens after videos were written, and before that is noted."""

    at_the_next_note: Callable[[], Awaitable[None]] | None = None

    async def _update(self, name: str, body: Any) -> Any:
        happens = self.at_the_next_note
        if happens and any("progress" in one["set_payload"]["payload"] for one in body["operations"]):
            self.at_the_next_note = None
            await happens()
        return await super()._update(name, body)


@pytest.fixture
def stub() -> Iterator[Forgetful]:
    with aside(Forgetful()) as server:
        yield server  # type: ignore[misc]  # it is what was given


@pytest.fixture
def settings(broker: LocalBroker, stub: QdrantStub, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    made = own_topics(broker.bootstrap, tmp_path, request.node.nodeid)
    return made.model_copy(update={"qdrant_url": stub.url})


def test_a_collection_put_back_from_an_older_copy_is_read_on_from_where_that_is(
    settings: Settings, stub: QdrantStub, tmp_path: Path
) -> None:
    put(settings, *(described(n) for n in range(COUNT)))
    alias, later = version_alias(settings), ["v3", *(f"v{n}" for n in range(COUNT, COUNT + 5))]

    def restore() -> None:
        stub.asked.clear()
        asyncio.run(stub.restore(alias, older))

    def caught_up() -> bool:
        return held(settings, stub) == (COUNT + 4, True) and sorted(changed(stub.asked)) == sorted(later)

    with agents(settings, tmp_path, "indexer") as running:
        wait_until("it is complete", lambda: held(settings, stub) == (COUNT, True))
        older = asyncio.run(stub.snapshot(alias))
        stub.asked.clear()
        put(settings, withdrawn("v3", NOON + 99), *(described(n) for n in range(COUNT, COUNT + 5)))
        wait_until("it has what came later", caught_up)
        restore()  # under a running indexer
        wait_until("it has that again", caught_up)
        assert running.alive()
    restore()  # while none runs: what the group has committed is ahead
    assert held(settings, stub)[0] == COUNT
    with agents(settings, tmp_path, "indexer"):
        wait_until("it has that once more", caught_up)


def test_a_collection_that_is_lost_between_the_videos_and_the_note_of_them_is_filled_again(
    settings: Settings, stub: Forgetful, tmp_path: Path
) -> None:
    put(settings, *(described(n) for n in range(COUNT)))
    with agents(settings, tmp_path, "indexer") as running:
        wait_until("it is complete", lambda: held(settings, stub) == (COUNT, True))
        stub.at_the_next_note = lambda: stub.delete(version_alias(settings))
        put(settings, described(COUNT))
        wait_until("it is complete again", lambda: held(settings, stub) == (COUNT + 1, True))
        assert stub.at_the_next_note is None
        assert running.alive()


@pytest.mark.parametrize("is_of_the_last_note", [False, True])
def test_a_copy_put_back_between_the_videos_and_the_note_of_them_is_read_on_from_where_that_is(
    settings: Settings, stub: Forgetful, tmp_path: Path, is_of_the_last_note: bool
) -> None:
    """Also a copy that says the same as the collection did, before the batch that it lacks."""
    put(settings, *(described(n) for n in range(COUNT)))
    alias = version_alias(settings)
    with agents(settings, tmp_path, "indexer") as running:
        wait_until("it is complete", lambda: held(settings, stub) == (COUNT, True) and noted(settings) == COUNT)
        older = asyncio.run(stub.snapshot(alias))
        put(settings, described(COUNT))
        wait_until("one came later", lambda: held(settings, stub)[0] == COUNT + 1 and noted(settings) == COUNT + 1)
        kept = asyncio.run(stub.snapshot(alias)) if is_of_the_last_note else older
        stub.at_the_next_note = lambda: stub.restore(alias, kept)
        put(settings, described(COUNT + 1))
        wait_until("it has both", lambda: held(settings, stub)[0] == COUNT + 2 and noted(settings) == COUNT + 2)
        assert stub.at_the_next_note is None
        assert running.alive()


def noted(settings: Settings) -> int:
    """How many records of features.v1 the collection says that it has."""

    async def ask() -> int:
        index = await open_index(settings, DIM, version_of(fusion_of(settings).version))
        try:
            found = await index.collection.progress(await index.collection.look() or "", range(settings.partitions))
            return sum(one.reached for one in found.values())
        finally:
            await index.close()

    return asyncio.run(ask())


def changed(asked: Sequence[QueryBatch]) -> set[str]:
    """Videos that were written or withdrawn: of a withdrawn one there is its point id alone."""
    upserts = [one.body["points"] for one in asked if one.method == "PUT" and one.path.endswith("/points")]
    names = {point_id(f"v{n}"): f"v{n}" for n in range(COUNT + 5)}
    return {names[one["id"]] for points in upserts for one in points if one["id"] in names}


def small(settings: Settings, count: int) -> Iterator[Encoded]:
    """Videos with a retrieval vector of the present version alone."""
    encoder, rows = version_of(fusion_of(settings).version), vectors(count, 3).repeat(DIM // 16, axis=1)
    for n, row in enumerate(rows):
        vector = encode_vector(encoder, row)
        assert vector is not None
        yield replace(Encoded(video_id=f"v{n}", at_ms=NOON + n), vectors={RETRIEVAL: vector})


def test_a_rebuild_that_is_killed_goes_on_where_it_was(settings: Settings, stub: QdrantStub, tmp_path: Path) -> None:
    count = 4000
    put(settings, *small(settings, count))
    log = tmp_path / "rebuild.log"
    running = forked(freshet_command, ["rebuild"], supervise.environment(settings), log)
    wait_until("it has noted some", lambda: len(indexed(stub)) > 2 * BATCH_SIZE)
    running.kill()
    running.wait()
    assert held(settings, stub)[1] is False  # the alias names nothing yet
    done = len(indexed(stub))
    stub.asked.clear()
    again = freshet(settings, "rebuild")
    assert again.returncode == 0, again.stderr
    assert f"{count} videos are in the index" in again.stderr
    not_noted = 2 * BATCH_SIZE  # at most so much is written again
    assert count - done <= len(indexed(stub)) <= count - done + not_noted < count
    assert list(asyncio.run(stub.aliases()).values()) == [f"{version_alias(settings)}-1"] * 2
