"""A worker's first questions about its topics: a connection that is lost meanwhile is opened again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from kafka.admin import KafkaAdminClient
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


class LookedAt:
    """What a broker answers of one topic to somebody who lacks a right."""

    def __init__(self, error_code: int) -> None:
        self._error_code = error_code

    def describe_topics(self, names: list[str]) -> list[dict[str, object]]:
        return [{"name": name, "error_code": self._error_code, "partitions": []} for name in names]

    def describe_configs(self, resources: list[Any], config_filter: str) -> dict[str, dict[str, object]]:
        return {"topic": {resource.name: {} for resource in resources}}


@pytest.mark.parametrize(
    ("error_code", "right"), [(TopicAuthorizationFailedError.errno, "Describe"), (0, "DescribeConfigs")]
)
def test_a_right_that_is_missing_is_named_and_no_difference(error_code: int, right: str) -> None:
    admin = cast(KafkaAdminClient, LookedAt(error_code))
    with pytest.raises(OperatorError, match=f"the right {right} on topic feedback.v1") as caught:
        topic_admin._find(admin, ["feedback.v1"])
    assert "docs/security.md" in caught.value.remedy
