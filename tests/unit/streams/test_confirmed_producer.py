"""The confirmed producer over a client that keeps what it is given: what is sent when, and what follows a refusal."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.kafka import confirmed_producer
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.waits import Waits

A, B, C = (Outgoing(key, b"value") for key in (b"a", b"b", b"c"))


class Refusal(Exception):
    """As confluent_kafka.KafkaError: the broker did not take a record, and may take it later unless it is fatal."""

    def __init__(self, fatal: bool) -> None:
        self._fatal = fatal

    def retriable(self) -> bool:
        return not self._fatal

    def fatal(self) -> bool:
        return self._fatal

    def code(self) -> int:
        return KafkaError.POLICY_VIOLATION

    def str(self) -> str:
        return "refused"


class Message:
    """A record's place in the log."""

    def __init__(self, at: int) -> None:
        self.at = at

    def offset(self) -> int:
        return self.at


class Client:
    """Confirms what it was given when it is flushed, or refuses the keys that it is told to, once each."""

    def __init__(self) -> None:
        self.given: list[tuple[bytes, Any]] = []
        self.log: list[bytes] = []
        self.refuses: set[bytes] = set()
        self.fatal = False
        self.client = self

    def produce(self, topic: str, value: bytes, key: bytes, partition: int, on_delivery: Any) -> None:
        self.given.append((key, on_delivery))

    async def flush(self) -> None:
        for key, on_delivery in self.given:
            if key in self.refuses:
                self.refuses.discard(key)
                on_delivery(Refusal(self.fatal), None)
            else:
                self.log.append(key)
                on_delivery(None, Message(len(self.log) - 1))
        self.given.clear()


class App:
    """What a confirmed producer asks of a Faust app; the log is its one partition."""

    def __init__(self) -> None:
        self.producer = Client()
        self.transport = self.consumer = self
        self.waits = Waits()
        self.between_polls: list[Any] = []

    async def ends_of(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return dict.fromkeys(places, len(self.producer.log))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(confirmed_producer, "RETRY_DELAYS_S", (0.0,))
    return App()


def test_what_is_sent_is_handed_over_at_once_and_waited_for_later(app: App) -> None:
    async def story() -> None:
        out = ConfirmedProducer(app)
        out.put("t", 0, [A])
        await out.sent()
        assert [key for key, _ in app.producer.given] == [b"a"]
        assert app.producer.log == []
        await out.confirmed()
        assert app.producer.log == [b"a"]

    asyncio.run(story())


def test_of_a_partly_accepted_batch_the_rest_is_sent_after_what_was_acked(app: App) -> None:
    async def story() -> None:
        out = ConfirmedProducer(app)
        app.producer.refuses = {b"c"}
        out.put("t", 0, [A, B, C])
        await out.confirmed()
        assert app.producer.log == [b"a", b"b", b"c"]

    asyncio.run(story())


def test_a_worker_waits_for_as_long_as_a_topic_refuses_and_no_longer(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refusal, "retriable", lambda _: False)
    waits: list[list[str]] = []

    async def story() -> None:
        out, client = ConfirmedProducer(app), app.producer
        take = client.flush

        async def flush() -> None:
            waits.append(app.waits.now())
            client.refuses = {b"a"} if len(waits) < 3 else set()
            await take()

        monkeypatch.setattr(client, "flush", flush)
        out.put("t", 0, [A])
        await out.confirmed()

    asyncio.run(story())
    assert waits == [[], ["t to accept what it refuses"], ["t to accept what it refuses"]]
    assert app.waits.now() == []


def test_what_a_fatal_error_refused_is_never_confirmed(app: App) -> None:
    async def story() -> None:
        out = ConfirmedProducer(app)
        app.producer.refuses, app.producer.fatal = {b"c"}, True
        out.put("t", 0, [A, B, C])
        for _ in range(2):  # a second call raises it again
            with pytest.raises(KafkaException):
                await out.confirmed()

    asyncio.run(story())


def test_a_foreign_write_is_found_where_nothing_is_sent(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmed_producer, "FOREIGN_WRITE_CHECK_INTERVAL_S", 0.0)

    async def story() -> None:
        out, gaps = ConfirmedProducer(app), []

        async def on_foreign_write(*gap: int) -> None:
            gaps.append(gap)

        out.expect_single_writer("t", {0: 0}, on_foreign_write)
        (check,) = app.between_polls
        await check()
        app.producer.log.append(b"somebody else's")
        await check()
        await check()
        assert gaps == [(0, 0, 1)]

    asyncio.run(story())


def test_nothing_newer_is_sent_before_a_refused_record_is_acked(app: App) -> None:
    async def story() -> None:
        out = ConfirmedProducer(app)
        app.producer.refuses = {b"a"}
        out.put("t", 0, [A, B])
        await out.sent()
        out.put("t", 0, [C])
        await out.sent()
        await out.confirmed()
        assert app.producer.log[-3:] == [b"a", b"b", b"c"]

    asyncio.run(story())


def test_a_foreign_write_is_reported_after_our_own_records_are_acked(app: App) -> None:
    async def story() -> None:
        out, gaps = ConfirmedProducer(app), []

        async def on_foreign_write(partition: int, start: int, end: int) -> None:
            gaps.append((partition, start, end, [*app.producer.log]))

        out.expect_single_writer("t", {0: 0}, on_foreign_write)
        out.put("t", 0, [A])
        await out.sent()
        app.producer.log.append(b"somebody else's")
        out.put("t", 0, [B])
        await out.sent()
        assert gaps == [(0, 0, 2, [b"somebody else's", b"a", b"b"])]

    asyncio.run(story())
