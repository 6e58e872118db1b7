"""An erasure, published and waited for: until profiles and slates show that the person is gone."""

import time

from schemas.messages import feedback
from schemas.messages.erasures import Erasure
from schemas.settings.model import Settings
from schemas.topics import ERASURES, PROFILES, RECOMMENDATIONS
from streams.errors import OperatorError
from streams.kafka.command_publisher import command_publisher
from streams.kafka.command_reader import CommandReader, command_reader
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.probe import Report, wait_for_authenticated_broker
from streams.kafka.records import Record, TopicPartition, partition_of

POLL_INTERVAL_S = 0.2
DELIVERY_TIMEOUT_S = 10.0

Seconds = dict[str, float]  # by topic


def forget(settings: Settings, user_id: str, at_ms: int, wait_s: float, report: Report) -> Seconds:
    """Publish an erasure and wait for the tombstones on profiles.v1 and recommendations.v1.

    Gives the seconds that each took; an empty dict where the person was erased at a later time already and has come
    back since, so that there was nothing to erase. Raises OperatorError where the tombstones do not come.
    """
    wait_for_authenticated_broker(settings, report)
    group = {"group.id": f"{settings.prefix}profiles"}  # the agent's: not joined, only asked what it has committed
    with command_reader(settings, group) as reader:
        topic, key = ERASURES.full(settings.prefix), user_id.encode()
        partition = partition_of(key, len(reader.require_partitions(topic)))
        waiting_for = [one.full(settings.prefix) for one in (PROFILES, RECOMMENDATIONS)]
        reader.follow(dict.fromkeys(waiting_for, partition))
        erasure = Outgoing(key, feedback.encode(Erasure(user_id=user_id, at_ms=at_ms)))
        remedy = "Check the broker and the rights."
        with command_publisher(settings, limit_s=DELIVERY_TIMEOUT_S, remedy=remedy) as publisher:
            (offset,) = publisher.publish(topic, [erasure], partition)
        return _wait(reader, key, TopicPartition(topic, partition, offset), waiting_for, wait_s, report)


def _wait(
    reader: CommandReader,
    key: bytes,
    published: TopicPartition,
    waiting_for: list[str],
    wait_s: float,
    report: Report,
) -> Seconds:
    """Seconds until each topic showed the tombstone; an empty dict where the erasure changed nothing."""
    started, seconds = time.monotonic(), Seconds()
    place = f"{published.topic}[{published.partition}]@{published.offset}"
    report(f"the erasure is published to {place}; waiting for profiles and slates")
    while waiting_for:
        gone = {record.topic for record in reader.new_records(POLL_INTERVAL_S) if _is_tombstone(record, key)}
        for topic in [topic for topic in waiting_for if topic in gone]:
            waiting_for.remove(topic)
            seconds[topic] = round(time.monotonic() - started, 3)
            report(f"{topic}: erased after {seconds[topic]:.2f} s")
        if waiting_for and time.monotonic() - started > wait_s:
            if not seconds and _is_committed(reader, published):
                return seconds
            raise _no_tombstone(waiting_for, wait_s)
    return seconds


def _is_tombstone(record: Record, key: bytes) -> bool:
    return record.value is None and record.key == key


def _is_committed(reader: CommandReader, published: TopicPartition) -> bool:
    """Whether the profiles agent has committed an offset after the erasure."""
    try:
        committed = reader.committed(published.topic, published.partition)
    except OperatorError:
        return False
    return committed is not None and committed > published.offset


def _no_tombstone(waiting_for: list[str], wait_s: float) -> OperatorError:
    agent = "profiles" if any("profiles" in topic for topic in waiting_for) else "ranker"
    return OperatorError(
        f"{waiting_for[0]} does not show within {wait_s:g} s that the person is gone.",
        f"Is `freshet worker {agent}` running? The erasure is published: the agent applies it once it runs.",
    )
