"""How a worker ends, and leaves a client behind: partitions go back first, and nothing holds it for ever."""

import asyncio
from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest
from faust.transport import consumer as faust_consumer
from faust.types import TP

from ranker.catalogue.catalogue import Catalogue
from schemas.settings.model import Settings
from streams.kafka import lost_broker
from streams.kafka.consumer import Consumer
from streams.kafka.positions import Positions
from streams.kafka.topic_watch import TopicWatch
from streams.ranking import catalogue_replica
from streams.ranking.shared_state import SharedState


class Client:
    """Hands out its revocation at the second poll, as librdkafka does; a close would wait for ever before."""

    def __init__(self, revoke: Callable[..., None]) -> None:
        self.calls: list[str] = []
        self._revoke, self._places = revoke, [confluent_kafka.TopicPartition("feedback.v1", 0)]

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.calls.append(name)

    def assignment(self) -> list[Any]:
        return self._places

    def poll(self, _: float) -> None:
        self.calls.append("poll")
        if self.calls.count("poll") == 2:
            self._revoke(self, self._places)
            self._places = []


def test_the_partitions_are_given_back_before_the_client_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def committed(_: Any) -> None: ...

    monkeypatch.setattr(faust_consumer.Consumer, "on_stop", committed)
    consumer = Consumer.__new__(Consumer)
    consumer._rebalances, consumer.positions = [], Positions(TopicWatch({}), {})
    consumer.positions.done[TP("feedback.v1", 0)] = 7
    consumer._client, consumer._asking = (client := Client(consumer._on_revoke)), asyncio.Lock()
    asyncio.run(consumer.on_stop())
    assert client.calls == ["unsubscribe", "poll", "poll", "close"]  # no commit besides the one that Faust asks for


async def test_after_a_long_silence_the_group_is_joined_with_another_client(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Client(lambda *_: None), Client(lambda *_: None)
    consumer = Consumer.__new__(Consumer)
    consumer._assigned, consumer._is_assignment_known = set(), True
    monkeypatch.setattr(lost_broker, "CLOSE_DELAY_S", 0.0)
    consumer._rebalances, consumer._topics, consumer._lost_s = [], ["feedback.v1"], None
    consumer.positions = Positions(TopicWatch({}), {})
    consumer._client = old

    async def connect() -> None:
        consumer._client = new

    monkeypatch.setattr(consumer, "on_start", connect)
    consumer._on_lost(old, old.assignment())
    assert consumer._lost_s is not None
    await consumer._rejoin("not back")
    assert consumer.unassigned_s > 0
    while "close" not in old.calls:  # noqa: ASYNC110  # in a thread
        await asyncio.sleep(0.01)
    assert new.calls == ["subscribe"]
    consumer._on_assign(old, old.assignment())  # what the old one still says counts for nothing
    consumer._on_revoke(old, old.assignment())
    assert [what for what, _ in consumer._rebalances] == ["revoked"] and "commit" not in old.calls
    consumer._on_assign(new, new.assignment())
    assert consumer._lost_s is None and [what for what, _ in consumer._rebalances] == ["revoked", "assigned"]


class Deaf:
    """A groupless client that has read up to offset 7 of one partition and gets no answer any more."""

    def assign(self, places: list[Any]) -> None:
        self.places = places

    def consume(self, *_: Any) -> list[Any]:
        return []

    def position(self, places: list[Any]) -> list[Any]:
        reached = [7, confluent_kafka.OFFSET_INVALID]
        pairs = zip(places, reached, strict=True)
        return [confluent_kafka.TopicPartition(place.topic, place.partition, offset) for place, offset in pairs]


async def test_the_catalogue_is_read_on_with_another_client_where_it_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_answer(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(catalogue_replica, "answered_in_time", no_answer)
    state = catalogue_replica.CatalogueReplica(Settings(), SharedState(Settings(), Catalogue()), TopicWatch({}))
    state._caught_up = True
    places = [confluent_kafka.TopicPartition("freshet.features.v1", number, 3) for number in (0, 1)]
    left: Any = await state._read_on(Deaf(), places)  # type: ignore[arg-type]
    assert [(place.partition, place.offset) for place in left] == [(0, 7), (1, 3)]
