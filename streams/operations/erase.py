"""An erasure, published and waited for: until profiles and slates show that the person is gone."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas.messages import feedback
from schemas.messages.erasures import Erasure
from schemas.settings.model import Settings
from schemas.topics import ERASURES, PROFILES, RECOMMENDATIONS
from streams.errors import OperatorError
from streams.kafka.client import CLIENT, CONSUMER
from streams.kafka.records import partition_of
from streams.kafka.security import librdkafka_options, wait_for_authenticated_broker

Report = Callable[[str], None]

LOOK_S = 0.2
ANSWER_S = 10.0  # for what a broker that is there says at once


Seconds = dict[str, float]  # by topic


def forget(settings: Settings, user_id: str, at_ms: int, wait_s: float, report: Report) -> Seconds:
    """Publish an erasure and wait for the tombstones on profiles.v1 and recommendations.v1.

    Gives the seconds that each took; none where the person has come back after a later erasure, so that nothing of
    before was left. Raises OperatorError where the tombstones do not come.
    """
    wait_for_authenticated_broker(settings, report)
    group = {"group.id": f"{settings.prefix}profiles"}  # the agent's, not to join it but to see what it has committed
    with closing(Consumer({**CLIENT, **CONSUMER, **librdkafka_options(settings), **group})) as consumer:
        place = _place(consumer, settings, user_id)
        watched = [topic.full(settings.prefix) for topic in (PROFILES, RECOMMENDATIONS)]
        _stand_at_ends(consumer, [TopicPartition(topic, place.partition) for topic in watched])
        erasure = Erasure(user_id=user_id, at_ms=at_ms)
        sent = _publish(settings, place, user_id, feedback.encode(erasure))
        return _wait(consumer, user_id, sent, watched, wait_s, report)


def _place(consumer: Consumer, settings: Settings, user_id: str) -> TopicPartition:
    topic = ERASURES.full(settings.prefix)
    there = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
    if not there:
        raise OperatorError(f"{settings.bootstrap} has no topic {topic}.", "`freshet topics apply` creates it.")
    return TopicPartition(topic, partition_of(user_id.encode(), len(there)))


def _stand_at_ends(consumer: Consumer, places: list[TopicPartition]) -> None:
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=ANSWER_S)[1]
    consumer.assign(places)


def _publish(settings: Settings, place: TopicPartition, user_id: str, value: bytes) -> TopicPartition:
    """Send it to the person's partition; gives its place as the broker confirmed it."""
    said: list[tuple[Any, Any]] = []
    producer = Producer({**CLIENT, **librdkafka_options(settings), "enable.idempotence": True})
    producer.produce(
        place.topic,
        value,
        user_id.encode(),
        partition=place.partition,
        on_delivery=lambda *outcome: said.append(outcome),
    )
    producer.flush(ANSWER_S)
    if not said or said[0][0] is not None:
        why = str(said[0][0]) if said else f"no answer within {ANSWER_S:g} s"
        raise OperatorError(
            f"The erasure was not confirmed on {place.topic}: {why}.", "Check the broker and the rights."
        )
    return TopicPartition(place.topic, place.partition, said[0][1].offset())


def _wait(
    consumer: Consumer, user_id: str, sent: TopicPartition, left: list[str], wait_s: float, report: Report
) -> Seconds:
    """Seconds until each topic that is left showed the tombstone; none where the erasure changed nothing."""
    started, seconds = time.monotonic(), Seconds()
    report(f"erasure said on {sent.topic}[{sent.partition}]@{sent.offset}; waiting for profiles and slates")
    while left:
        gone = {record.topic() for record in consumer.consume(1000, LOOK_S) if _is_tombstone(record, user_id)}
        for topic in [topic for topic in left if topic in gone]:
            left.remove(topic)
            seconds[topic] = round(time.monotonic() - started, 3)
            report(f"{topic}: gone after {seconds[topic]:.2f} s")
        if left and time.monotonic() - started > wait_s:
            if not seconds and _taken(consumer, sent):
                return seconds
            raise _silence(left, wait_s)
    return seconds


def _is_tombstone(record: Any, user_id: str) -> bool:
    return record.error() is None and record.value() is None and record.key() == user_id.encode()


def _taken(consumer: Consumer, sent: TopicPartition) -> bool:
    """Whether the profiles agent has acknowledged the erasure."""
    try:
        (committed,) = consumer.committed([TopicPartition(sent.topic, sent.partition)], timeout=ANSWER_S)
    except KafkaException:
        return False
    return bool(committed.offset > sent.offset)


def _silence(left: list[str], wait_s: float) -> OperatorError:
    agent = "profiles" if any("profiles" in topic for topic in left) else "ranker"
    return OperatorError(
        f"{left[0]} does not show within {wait_s:g} s that the person is gone.",
        f"Is `freshet worker {agent}` running? The erasure is said and stays so: it is done as soon as the agent runs.",
    )
