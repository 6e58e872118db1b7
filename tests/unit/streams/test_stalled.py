"""Batches at which the client stops without a word: several in a row, and a broker that is only slow."""

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException, Message, TopicPartition

from schemas.settings.model import Settings
from streams.kafka import batch_head as batches
from streams.kafka import partition_queues, reader, stalled
from streams.kafka.batch_head import BatchHead, BrokerError, batch_head
from streams.kafka.partition_queues import PartitionQueues
from streams.kafka.reader import fetch_between

TORN = (10, 20)  # first offsets of the batches, of ten records each, that nobody can read
END = 40


class Stopping:
    """A client that stops at torn batches, and has no position from a seek on until a record comes."""

    def __init__(self) -> None:
        self.at, self.reached, self.fetches = 0, -1001, 0

    def assign(self, places: list[TopicPartition]) -> None:
        self.at = places[0].offset

    def consume(self, count: int, timeout: float) -> list[Message]:
        self.fetches += 1
        assert self.fetches < 2000, f"it stands still at {self.at}"
        if self.at >= END or self.at // 10 * 10 in TORN:
            return []
        self.at += 1
        self.reached = self.at
        return [Message(topic="t", partition=0, offset=self.at - 1, key=b"k", value=b"v")]

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition("t", 0, self.reached)]

    def seek(self, place: TopicPartition) -> None:
        self.at, self.reached = place.offset, -1001


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    def head(settings: Settings, topic: str, partition: int, offset: int) -> BatchHead:
        return BatchHead(offset // 10 * 10, offset // 10 * 10 + 9, 0, "none", 100, False)

    monkeypatch.setattr(stalled, "batch_head", head)
    monkeypatch.setattr(stalled, "_is_readable", lambda settings, place, offset, size: offset // 10 * 10 not in TORN)
    monkeypatch.setattr(partition_queues, "SILENCE_S", 1)
    monkeypatch.setattr(reader, "STALLED_FETCHES", 3)
    return Stopping()


GOOD = [*range(10), *range(30, END)]


def test_a_reader_goes_on_behind_two_in_a_row(client: Any) -> None:
    batches = fetch_between(Settings(), client, "t", {0: 0}, {0: END})
    assert [message.offset() for batch in batches for message in batch] == GOOD


def test_queues_go_on_behind_two_in_a_row(client: Any) -> None:
    def records(queues: PartitionQueues) -> Iterator[int]:
        while record := queues.next(("t", 0)):
            yield record.offset

    queues = PartitionQueues(Settings(), client, {("t", 0): 0})
    queues.read_to({("t", 0): END})
    assert [*records(queues)] == GOOD


def test_of_a_broker_that_does_not_answer_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(KafkaException):
            stalled._is_readable(settings, ("t", 0), 0, 100)


class Deaf:
    """A client that never fetches a partition, which holds so many records."""

    def __init__(self, end: int) -> None:
        self.end = end

    def get_watermark_offsets(self, place: TopicPartition, timeout: float = 0, *, cached: bool = False) -> Any:
        return (-1001, -1001) if cached else (0, self.end)

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition("t", 0, -1001)]

    def seek(self, place: TopicPartition) -> None:
        raise AssertionError("there is nothing to pass over")


@pytest.mark.parametrize(("end", "deaf_to"), [(7, ("t", 0)), (3, None)])
async def test_a_partition_of_which_nothing_is_fetched_is_named_where_it_holds_something(
    monkeypatch: pytest.MonkeyPatch, end: int, deaf_to: tuple[str, int] | None
) -> None:
    for name in ("SILENT_S", "SILENT_FETCHES", "CHECK_INTERVAL_S"):
        monkeypatch.setattr(stalled, name, 0)
    watch, client = stalled.StallWatch(Settings()), Deaf(end)
    for _ in range(stalled.DEAF_CHECKS):
        assert watch.deaf_to is None
        await watch.passed_over(client, [], lambda: {("t", 0): 3}, [])
    assert watch.deaf_to == deaf_to


async def test_who_hears_something_in_between_is_not_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SILENT_S", "SILENT_FETCHES", "CHECK_INTERVAL_S"):
        monkeypatch.setattr(stalled, name, 0)
    watch, client = stalled.StallWatch(Settings()), Deaf(7)
    for _ in range(2 * stalled.DEAF_CHECKS):
        await watch.passed_over(client, [], lambda: {("t", 0): 3}, [])
        await watch.passed_over(client, [], lambda: {("t", 0): 3}, [("t", 0)])
    assert watch.deaf_to is None


def test_a_question_for_a_batch_says_nothing_by_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = Settings(bootstrap=f"127.0.0.1:{nobody.getsockname()[1]}")
    with caplog.at_level(logging.INFO), pytest.raises(BrokerError):
        batch_head(away, "t", 0, 0)
    assert not caplog.records
