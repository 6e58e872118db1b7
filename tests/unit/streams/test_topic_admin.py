"""A worker's first questions about its topics: a connection that is lost meanwhile is opened again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.topic_admin import ConnectionLost


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What opening each of the next connections raises."""
    left: list[Exception | None] = []

    @contextmanager
    def opened(**_: Any) -> Iterator[None]:
        if error := left.pop(0):
            raise error
        yield

    monkeypatch.setattr(topic_admin, "wait_for_authenticated_broker", lambda *_: None)
    monkeypatch.setattr(topic_admin, "KafkaAdminClient", opened)
    monkeypatch.setattr(topic_admin, "_differences", lambda *_: [])
    monkeypatch.setattr(topic_admin, "RETRY_DELAY_S", 0.0)
    return left


def test_topics_are_asked_for_again_after_a_connection_is_lost(connections: list[Exception | None]) -> None:
    connections += [KafkaConnectionError("[Errno 104] Connection reset by peer"), None]
    said: list[str] = []
    assert topic_admin.plan(Settings(), [FEEDBACK], said.append) == []
    assert connections == []
    assert [line for line in said if "reset by peer" in line]


def test_a_lost_connection_is_no_refusal(connections: list[Exception | None]) -> None:
    connections += [KafkaConnectionError("reset")]
    with pytest.raises(ConnectionLost, match=r"was lost: .*reset"):
        topic_admin.plan(Settings(broker_wait_s=0), [FEEDBACK])


def test_a_refusal_is_told_at_once(connections: list[Exception | None]) -> None:
    connections += [TopicAuthorizationFailedError("feedback"), None]
    with pytest.raises(OperatorError, match="refused"):
        topic_admin.plan(Settings(), [FEEDBACK])
    assert connections == [None]
