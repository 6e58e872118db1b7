"""Rights that a worker lacks, as its client reports them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.kafka import rights as rights_module
from streams.kafka.records import Message
from streams.kafka.rights import MissingRight, Rights, needing, once_allowed, reading
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


def refused_with(code: int) -> KafkaException:
    return KafkaException(KafkaError(code))


def missing(code: int) -> str:
    with pytest.raises(MissingRight) as caught, needing(reading("trends.v1"), "the right to describe group g"):
        raise refused_with(code)
    return caught.value.right


def test_a_refusal_names_the_right_that_is_missing() -> None:
    assert missing(KafkaError.TOPIC_AUTHORIZATION_FAILED) == "the right to read trends.v1"
    assert missing(KafkaError.GROUP_AUTHORIZATION_FAILED) == "the right to describe group g"
    nearest = needing(reading("trends.v1"))  # to the question knows best
    with pytest.raises(MissingRight, match=r"read trends\.v1 is missing"), needing("the right to write"), nearest:
        raise refused_with(KafkaError.TOPIC_AUTHORIZATION_FAILED)


def test_what_is_no_refusal_is_passed_on() -> None:
    with pytest.raises(KafkaException) as caught, needing(reading("trends.v1")):
        raise refused_with(KafkaError._TRANSPORT)
    assert not isinstance(caught.value, MissingRight)


async def test_a_recovery_begins_again_once_its_rights_are_given(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights_module, "LOOK_INTERVAL_S", 0.0)
    waits, lacking, named = Waits(), ["trends.v1", "trends.v1", "erased.v1"], []

    async def recover() -> str:
        named.append(waits.now(0.0))
        if lacking:
            with needing(reading(lacking.pop(0))):
                raise refused_with(KafkaError.TOPIC_AUTHORIZATION_FAILED)
        return "recovered"

    assert await once_allowed(waits, recover) == "recovered"
    assert named == [[], *2 * [["the right to read trends.v1"]], ["the right to read erased.v1"]]
    assert waits.now() == []
    assert [message.partition(" is missing")[0] for message in caplog.messages] == [
        "the right to read trends.v1",
        "the right to read erased.v1",
    ]
