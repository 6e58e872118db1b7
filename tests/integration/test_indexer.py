"""The indexer on a real Kafka over a stub of Qdrant: the index is complete in the end, whatever became of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from ranker.retrieval.index import IndexRefused
from schemas.messages import feedback, videos
from schemas.messages.recommendations import decode_recommendation
from schemas.messages.videos import CatalogueRecord
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, RECOMMENDATIONS
from streams.kafka.records import partition_of
from streams.local.broker import LocalBroker
from streams.qdrant.index import open_index
from streams.qdrant.mapping import alias_of, collection_name
from streams.qdrant.progress import Progress, is_complete
from tests.support.command import freshet
from tests.support.events import NOON, liked, withdrawn
from tests.support.qdrant_stub import LOCAL_MODE, SILENCE, Answer, QdrantStub, aside
from tests.support.system import agents, everything, own_topics, publish, wait_until
from tests.unit.streams.qdrant.test_named_vectors import described

pytestmark = [pytest.mark.connected, *LOCAL_MODE]

COUNT = 40


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with aside(QdrantStub()) as server:
        yield server


@pytest.fixture
def settings(broker: LocalBroker, stub: QdrantStub, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    made = own_topics(broker.bootstrap, tmp_path, request.node.nodeid)
    put(made, *(described(n) for n in range(COUNT)), withdrawn("v1", NOON + 99))
    return made.model_copy(update={"qdrant_url": stub.url})


def put(settings: Settings, *records: CatalogueRecord) -> None:
    publish(settings, FEATURES, [(one.video_id, videos.encode(one)) for one in records])


def version_alias(settings: Settings) -> str:
    return collection_name(alias_of(settings), version_of(fusion_of(settings).version), DIM)


def held(settings: Settings, stub: QdrantStub) -> tuple[int, bool]:
    """How many videos the index holds, and whether it says that it is complete."""

    async def ask() -> tuple[int, bool]:
        if version_alias(settings) not in await stub.aliases():
            return 0, False
        index = await open_index(settings, DIM, version_of(fusion_of(settings).version))
        try:
            generation = await index.collection.look()
            found = await index.collection.progress(generation or "", range(settings.partitions))
            return await index.count(), is_complete(found, settings.partitions)
        except IndexRefused:  # it was deleted meanwhile
            return 0, False
        finally:
            await index.close()

    return asyncio.run(ask())


def names(stub: QdrantStub) -> dict[str, str]:
    return asyncio.run(stub.aliases())


def test_what_the_catalogue_holds_is_in_the_index_and_stays_so_when_that_is_lost(
    settings: Settings, stub: QdrantStub, tmp_path: Path
) -> None:
    alias = version_alias(settings)
    with agents(settings, tmp_path, "indexer") as running:
        wait_until("it is complete", lambda: held(settings, stub) == (COUNT - 1, True))
        wait_until("the alias names it", lambda: names(stub).get(alias_of(settings)) == f"{alias}-1")
        first = asyncio.run(generation_of(settings))
        asyncio.run(stub.delete(alias))
        wait_until("it is complete again", lambda: held(settings, stub) == (COUNT - 1, True))
        assert asyncio.run(generation_of(settings)) != first
        stub.always = Answer(503)
        put(settings, described(COUNT))
        wait_until("it says so", lambda: "videos wait for the index: " in running.said("indexer"))
        stub.always = None
        wait_until("the new one came too", lambda: held(settings, stub)[0] == COUNT)
        wait_until("it says that too", lambda: "the index takes videos again" in running.said("indexer"))
        assert running.said("indexer").count("videos wait for the index: ") == 1
        assert running.alive()


@pytest.mark.parametrize("holds_vectors", [True, False])
def test_slates_go_on_while_the_server_is_silent_lost_or_filled_and_say_so(
    settings: Settings, stub: QdrantStub, tmp_path: Path, holds_vectors: bool
) -> None:
    settings = settings.model_copy(update={"hold_vectors": holds_vectors})
    stub.always = SILENCE  # at the start of all of them
    people = (f"person-{n}" for n in range(10_000))

    def degraded() -> list[str]:
        """What was missing for somebody who likes something just now."""
        user = next(people)
        publish(settings, FEEDBACK, [(user, feedback.encode(liked(user, f"v{int(user[7:]) % 9 + 3}", NOON + 500)))])
        wait_until("a slate", lambda: any(one.key == user.encode() for one in everything(settings, RECOMMENDATIONS)))
        [slate] = [one for one in everything(settings, RECOMMENDATIONS) if one.key == user.encode()][-1:]
        return list(decode_recommendation(slate.value or b"").degraded)

    with agents(settings, tmp_path, "profiles", "ranker", "indexer") as running:
        assert degraded() == ["vector_index"]
        stub.always = None
        wait_until("the index is used", lambda: degraded() == [])
        second = tmp_path / "second"
        second.mkdir()
        with agents(settings, second, "ranker") as more:  # a rebalance while it is away
            stub.always = SILENCE
            wait_until("it is missed", lambda: degraded() == ["vector_index"])
            assert more.alive()
            stub.always = None
            wait_until("the index is used again", lambda: degraded() == [])
        asyncio.run(stub.delete(version_alias(settings)))
        wait_until("it is filled again", lambda: held(settings, stub) == (COUNT - 1, True))
        wait_until("the index is used once more", lambda: degraded() == [])
        assert running.alive()
        assert "Traceback" not in running.said("ranker") + running.said("indexer")
    assert "slates are made without the vector index" in running.said("ranker")


async def generation_of(settings: Settings) -> str:
    index = await open_index(settings, DIM, version_of(fusion_of(settings).version))
    try:
        return await index.collection.look() or ""
    finally:
        await index.close()


def test_a_rebuild_fills_another_collection_and_the_indexer_goes_on_there(
    settings: Settings, stub: QdrantStub, tmp_path: Path
) -> None:
    alias = version_alias(settings)
    with agents(settings, tmp_path, "indexer") as running:
        wait_until("it is complete", lambda: held(settings, stub) == (COUNT - 1, True))
        wait_until("the indexer has named it", lambda: "the index is complete" in running.said("indexer"))
        ran = freshet(settings, "rebuild")
        assert ran.returncode == 0, ran.stderr
        assert f"{COUNT + 1} of {COUNT + 1} records, 0 s to go" in ran.stderr
        assert f"{COUNT - 1} videos are in the index; the alias is {alias_of(settings)}" in ran.stderr
        assert names(stub)[alias] == names(stub)[alias_of(settings)] == f"{alias}-2"
        put(settings, withdrawn("v2", NOON + 99), described(COUNT))
        wait_until("it follows the alias", lambda: "joining the group again" in running.said("indexer"))
        wait_until("both are known there", lambda: held(settings, stub) == (COUNT - 1, True) and in_new(stub, alias))
        assert running.alive()


def in_new(stub: QdrantStub, alias: str) -> bool:
    """Whether the newest video is in the collection that the alias names now."""
    points, _ = asyncio.run(stub._store.scroll(alias, limit=1000))
    return f"v{COUNT}" in {one.payload["video_id"] for one in points if one.payload and "video_id" in one.payload}


def test_a_search_says_what_the_index_lacks(settings: Settings, stub: QdrantStub) -> None:
    mine = [n for n in range(COUNT) if partition_of(f"v{n}".encode(), settings.partitions) == 0]

    async def fill() -> None:
        index = await open_index(settings, DIM, version_of(fusion_of(settings).version))
        await index.collection.note(await index.collection.ready(), [Progress(0, 4, 0, len(mine), "")])
        await index.close()

    empty = freshet(settings, "similar", "v3", "--json")
    assert "Qdrant has no videos in" in empty.stderr and empty.returncode == 0
    asyncio.run(fill())
    with agents(settings, settings.data_dir, "indexer"):
        wait_until("it is complete", lambda: held(settings, stub) == (COUNT - 1, True))
    full = freshet(settings, "similar", "v3", "--json")
    assert full.stderr == "" and full.stdout == empty.stdout
    asyncio.run(forget(settings, 0, len(mine)))
    half = freshet(settings, "similar", "v3", "--json")
    assert f"Qdrant has {COUNT + 1 - len(mine)} of {COUNT + 1} records of features.v1 so far" in half.stderr


async def forget(settings: Settings, partition: int, goal: int) -> None:
    index = await open_index(settings, DIM, version_of(fusion_of(settings).version))
    collection = index.collection
    generation = await collection.ready()
    [one] = (await collection.progress(generation, [partition])).values()
    await collection.note(generation, [Progress(partition, one.partitions, 0, one.goal, one.topic_id)])
    await index.close()
