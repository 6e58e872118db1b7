"""Rights that are taken away from a running worker, as its client reports them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.kafka.records import Message
from streams.kafka.rights import Rights
from streams.kafka.topic_watch import TopicIdentity, TopicWatch
from streams.kafka.waits import Waits


class Fetched:
    """What a fetch brought: a record, or an error."""

    def __init__(self, code: int | None = None, topic: str = "feedback.v1") -> None:
        self._error, self._topic = None if code is None else KafkaError(code), topic

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return self._topic


def fetched(*codes: int | None) -> Sequence[Message]:
    return cast(Sequence[Message], [Fetched(code) for code in codes])


def test_a_right_that_is_taken_away_is_a_line_and_a_wait_and_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    waits = Waits()
    rights = Rights({}, waits)
    brought = fetched(None, KafkaError.TOPIC_AUTHORIZATION_FAILED, None, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert rights.without_refusals(brought) == [brought[0], brought[2]]
    assert waits.now(0.0) == ["the right to read feedback.v1"]
    (line,) = caplog.messages
    assert line.startswith("feedback.v1 may not be read any more")


def test_what_the_group_refuses_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    waits = Waits()
    assert Rights({}, waits).without_refusals(fetched(KafkaError.GROUP_AUTHORIZATION_FAILED)) == []
    assert (len(caplog.messages), waits.now()) == (1, [])


def test_another_error_is_left_to_who_knows_it() -> None:
    brought = fetched(None, KafkaError._BAD_MSG)
    assert Rights({}, Waits()).without_refusals(brought) == brought


class Forbids:
    """A broker that names no topic any more to whom it has named it before."""

    def describe_topics(self, topics: TopicCollection, request_timeout: float) -> dict[str, Future[object]]:
        refused: Future[object] = Future()
        refused.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
        return {"feedback.v1": refused, "uploads.v1": refused}


def test_a_topic_that_may_not_be_asked_for_any_more_is_not_gone(caplog: pytest.LogCaptureFixture) -> None:
    watch = TopicWatch({})
    watch.follow(["feedback.v1", "uploads.v1"])
    watch.current = {"feedback.v1": TopicIdentity("1", 4)}
    watch._client = cast(AdminClient, Forbids())
    assert watch.ask() == {"feedback.v1": TopicIdentity("1", 4)}
    assert caplog.messages == []
