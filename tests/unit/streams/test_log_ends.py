"""Ends of partitions are asked for again while a broker comes back, and with another client."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.settings.model import Settings
from streams.kafka import client, log_ends, topic_watch
from streams.kafka.client import answered_in_time, retry_until_answered
from streams.kafka.log_ends import LogEnds
from streams.kafka.topic_watch import TopicWatch

PLACE = ("a.topic", 3)


def admin_clients(monkeypatch: pytest.MonkeyPatch, *codes: int | None, offsets: Sequence[int] = ()) -> list[int | None]:
    """Clients which each answer with one error, or with an offset where that is None; gives those not opened yet."""
    left, given = list(codes) or [None] * len(offsets), iter(offsets)

    def opened(_: object) -> Any:
        code = left.pop(0)

        def list_offsets(asked: dict[Any, Any], **_: object) -> dict[Any, "Future[Any]"]:
            answer: Future[Any] = Future()
            if code is None:
                answer.set_result(SimpleNamespace(offset=next(given, 7)))
            else:
                answer.set_exception(KafkaException(KafkaError(code)))
            return dict.fromkeys(asked, answer)

        return SimpleNamespace(list_offsets=list_offsets)

    monkeypatch.setattr(log_ends, "AdminClient", opened)
    monkeypatch.setattr(client, "RETRY_DELAY_S", 0.0)
    return left


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.FENCED_LEADER_EPOCH,  # seen of restarted brokers, all three
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError._NOENT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError._TRANSPORT,
    ],
)
def test_what_passes_while_a_broker_comes_back_ends_nobody(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = admin_clients(monkeypatch, code, code, None)
    assert asyncio.run(answered_in_time(LogEnds(Settings()).ends, [PLACE])) == {PLACE: 7}
    assert left == []


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (KafkaError.FENCED_LEADER_EPOCH, "INFO"),  # heard a minute after a restart: the broker does answer
        (KafkaError.UNKNOWN_LEADER_EPOCH, "INFO"),
        (KafkaError._TRANSPORT, "WARNING"),
    ],
)
@pytest.mark.parametrize("ask", [answered_in_time, retry_until_answered])
def test_a_client_that_knew_the_former_leader_warns_of_nothing(
    ask: Any, code: int, level: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    admin_clients(monkeypatch, code, None)
    monkeypatch.setattr(client.log, "filters", [])  # of lines that come again it keeps some back
    with caplog.at_level("INFO"):
        asyncio.run(ask(LogEnds(Settings()).ends, [PLACE]))
    assert [record.levelname for record in caplog.records] == [level]


def test_an_offset_of_a_client_whose_broker_went_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    left = admin_clients(monkeypatch, offsets=[OFFSET_INVALID, 7])
    assert asyncio.run(answered_in_time(LogEnds(Settings()).ends, [PLACE])) == {PLACE: 7}
    assert left == []


@pytest.mark.parametrize("code", [KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION])
def test_what_stays_is_raised_at_once(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = admin_clients(monkeypatch, code, None)
    with pytest.raises(KafkaException):
        asyncio.run(answered_in_time(LogEnds(Settings()).ends, [PLACE]))
    assert left == [None]


def test_partitions_that_are_not_there_or_may_not_be_asked_for_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    admin_clients(monkeypatch, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert LogEnds(Settings()).ends([PLACE]) == {}


class Admin(AdminClient):
    """Counts how many there are, and answers nothing about nothing, or not at all."""

    made = 0
    is_answered = True

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        Admin.made += 1

    def list_offsets(self, *_: Any, **__: Any) -> Any:
        unanswered: Future[Any] = Future()
        unanswered.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        return {} if Admin.is_answered else {TopicPartition("a.topic", 0): unanswered}

    describe_topics = list_offsets


@pytest.mark.parametrize("module", [topic_watch, log_ends])
def test_questions_are_asked_by_one_client_until_one_is_not_answered(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AdminClient", Admin)
    monkeypatch.setattr(Admin, "made", 0)
    watch, ends = TopicWatch({"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}), LogEnds(Settings())
    watch.follow(["a.topic"])

    def ask() -> Any:
        return watch.ask() if module is topic_watch else ends.ends([("a.topic", 0)])

    assert [ask(), ask(), ask()] == [{}, {}, {}]
    assert Admin.made == 1
    monkeypatch.setattr(Admin, "is_answered", False)
    with pytest.raises(KafkaException):
        ask()
    monkeypatch.setattr(Admin, "is_answered", True)
    ask()
    assert Admin.made == 2, "one that has lost its broker would ask nobody ever again"
