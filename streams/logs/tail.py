"""The slates as they are published, for people and for scripts.

By kafka-python, as most who read slates do it: what this command shows, any client can read.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

from schemas.messages.recommendations import Item, Recommendation
from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES, RECOMMENDATIONS
from streams.errors import missing_topic
from streams.kafka.records import partition_of
from streams.kafka.security import kafka_python_options

POLL_INTERVAL_MS = 500


class SlateRecord(NamedTuple):
    """One record of recommendations.v1; a value of None: the person was erased."""

    user_id: str
    value: bytes | None


def tail_recommendations(
    settings: Settings, user_id: str | None, from_start: bool, is_over: Callable[[], bool]
) -> Iterator[SlateRecord]:
    """Follow recommendations.v1, of one person or of all, until it is over."""
    topic = RECOMMENDATIONS.full(settings.prefix)
    consumer = KafkaConsumer(
        **kafka_python_options(settings),
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
    )
    try:
        _seek(consumer, topic, user_id, from_start)
        while not is_over():
            for records in consumer.poll(timeout_ms=POLL_INTERVAL_MS).values():
                for record in records:
                    key = (record.key or b"").decode("utf-8", "replace")
                    if user_id in (None, key):
                        yield SlateRecord(key, record.value)
    finally:
        consumer.close()


def _seek(consumer: KafkaConsumer, topic: str, user_id: str | None, from_start: bool) -> None:
    numbers = sorted(consumer.partitions_for_topic(topic) or ())
    if not numbers:
        raise missing_topic(topic)
    if user_id is not None:
        numbers = [partition_of(user_id.encode(), len(numbers))]
    places = [TopicPartition(topic, number) for number in numbers]
    consumer.assign(places)
    (consumer.seek_to_beginning if from_start else consumer.seek_to_end)(*places)
    for place in places:
        consumer.position(place)  # a seek is lazy: without this, what comes before the first poll is missed


def heading(slate: Recommendation, now_ms: int) -> str:
    """One line above a slate: whose it is, its version, how long after its event it was made, and how old it is.

    now_ms  by this machine's clock
    """
    trigger = slate.trigger
    place = f"{trigger.topic}[{trigger.partition}]@{trigger.offset}"
    degraded = f", without {', '.join(slate.degraded)}" if slate.degraded else ""
    after, age = slate.generated_at_ms - trigger.at_ms, now_ms - slate.generated_at_ms
    return (
        f"{slate.user_id} version {slate.version}, {age_text(age)} old, made {age_text(after)} after {place}{degraded}"
    )


def age_text(ms: int) -> str:
    """A span of time in the unit that tells most; below nothing, where two clocks differ, it has its sign.

    >>> [age_text(ms) for ms in (210, 1500, 90_000, 7_300_000, 200_000_000, -40)]
    ['210 ms', '1.5 s', '1.5 min', '2.0 h', '2.3 d', '-40 ms']
    """
    for unit, size_ms in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if abs(ms) >= size_ms:
            return f"{ms / size_ms:.1f} {unit}"
    return f"{ms} ms"


def reasons_of(item: Item) -> str:
    """The reasons of an item, strongest first."""
    reasons = sorted(item.reasons, key=lambda because: (-because.weight, because.code))
    return ", ".join(f"{because.code} {because.video_id or ''}".strip() for because in reasons)
