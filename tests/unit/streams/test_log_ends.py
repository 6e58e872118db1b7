"""Ends of partitions are asked for again while a broker comes back, and with another client."""

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.settings.model import Settings
from streams.kafka import client, log_ends
from streams.kafka.client import answered_in_time
from streams.kafka.log_ends import LogEnds

PLACE = ("a.topic", 3)


def admin_clients(monkeypatch: pytest.MonkeyPatch, *codes: int | None) -> list[int | None]:
    """Clients which each answer with one error, or with an offset where that is None; gives those not opened yet."""
    left = list(codes)

    def opened(_: object) -> Any:
        code = left.pop(0)

        def list_offsets(asked: dict[Any, Any], request_timeout: float) -> dict[Any, "Future[Any]"]:
            answer: Future[Any] = Future()
            if code is None:
                answer.set_result(SimpleNamespace(offset=7))
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


@pytest.mark.parametrize("code", [KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION])
def test_what_stays_is_raised_at_once(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = admin_clients(monkeypatch, code, None)
    with pytest.raises(KafkaException):
        asyncio.run(answered_in_time(LogEnds(Settings()).ends, [PLACE]))
    assert left == [None]


def test_partitions_that_are_not_there_or_may_not_be_asked_for_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    admin_clients(monkeypatch, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert LogEnds(Settings()).ends([PLACE]) == {}
