"""An erasure, published and waited for: until profiles and slates show that the person is gone."""

import time
from collections.abc import Iterable

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
from streams.profiles.erasure import erasure_offset_of
from streams.ranking.slates import source_offset_of

POLL_INTERVAL_S = 0.2
DELIVERY_TIMEOUT_S = 10.0
UNREAD_S = 2.0  # a guess: until the end of a topic has been read, once nothing more is written to it

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
        watched = [one.full(settings.prefix) for one in (PROFILES, RECOMMENDATIONS)]
        for name in watched:
            reader.require_partitions(name)
        reader.follow(dict.fromkeys(watched, partition))
        erasure = Outgoing(key, feedback.encode(Erasure(user_id=user_id, at_ms=at_ms)))
        remedy = "Check the broker and the rights."
        with command_publisher(settings, limit_s=DELIVERY_TIMEOUT_S, remedy=remedy) as publisher:
            (offset,) = publisher.publish(topic, [erasure], partition)
        report(f"the erasure is published to {topic}[{partition}]@{offset}; waiting for profiles and slates")
        published = PublishedErasure(key, TopicPartition(topic, partition, offset), settings.prefix)
        return _wait(reader, published, wait_s, report)


def _wait(reader: CommandReader, erasure: "PublishedErasure", wait_s: float, report: Report) -> Seconds:
    """Seconds until each topic showed the tombstone; an empty dict where the erasure changed nothing."""
    started, seconds, applied_s = time.monotonic(), Seconds(), None
    while erasure.waiting_for:
        for topic in erasure.shown_by(reader.new_records(POLL_INTERVAL_S)):
            seconds[topic] = round(time.monotonic() - started, 3)
            report(f"{topic}: erased after {seconds[topic]:.2f} s")
        waited_s = time.monotonic() - started
        if not seconds and applied_s is None and _is_committed(reader, erasure.place):
            applied_s = waited_s  # what it caused is on its topic, and only has to be read
        if not seconds and applied_s is not None:
            if waited_s - applied_s > UNREAD_S:
                return seconds
        elif erasure.waiting_for and waited_s > wait_s:
            raise _no_tombstone(erasure.waiting_for, wait_s)
    return seconds


class PublishedErasure:
    """Which topics have not shown yet that this erasure is applied.

    The person may be erased more than once at a time, and act meanwhile: a tombstone on profiles.v1 names its erasure,
    and a null slate names the tombstone that it answers, or a later one.
    """

    def __init__(self, key: bytes, place: TopicPartition, prefix: str) -> None:
        self.place = place
        self._key = key
        self._profiles, self._slates = PROFILES.full(prefix), RECOMMENDATIONS.full(prefix)
        self._tombstone: int | None = None  # its offset
        self._answered = -1  # newest offset that a null slate of the person's answers
        self.waiting_for = [self._profiles, self._slates]

    def shown_by(self, records: Iterable[Record]) -> list[str]:
        """Take in what was written to the two topics; returns which of them show it now, and did not before."""
        for record in records:
            if record.key != self._key or record.value is not None:
                continue
            if record.topic == self._slates:
                self._answered = max(self._answered, source_offset_of(record))
            elif erasure_offset_of(record) == self.place.offset and self._tombstone is None:
                self._tombstone = record.offset
        shown = [topic for topic in self.waiting_for if self._is_shown(topic)]
        self.waiting_for = [topic for topic in self.waiting_for if topic not in shown]
        return shown

    def _is_shown(self, topic: str) -> bool:
        if self._tombstone is None:
            return False
        return topic == self._profiles or self._answered >= self._tombstone


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
