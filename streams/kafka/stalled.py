"""Batches at which the client stops without a word: it fetches them again and again and reports nothing.

librdkafka does so where the records inside a batch cannot be parsed (its pull request 5581). A batch is passed over for
that only if nothing came from its partition for long, the broker has it, no open transaction before it keeps it from
everybody, and a second client does not get it either: one that is slow loses nothing. Records of the batch that came
before the one at which the client stopped were read, and are not passed over.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import Consumer

from schemas.settings.model import Settings
from streams.kafka.batch_head import BatchHead, BrokerError, NoBatch, batch_head
from streams.kafka.client import CLIENT, CONSUMER, KafkaException, log
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.records import Message, Place, TopicPartition
from streams.kafka.security import librdkafka_options
from streams.kafka.unreadable import Seeking, UnreadableBatch, pass_over_in_thread

SILENT_S = 5.0  # of a partition that holds more
SILENT_FETCHES = 100  # as well: time that the agent took for a batch does not count
CHECK_INTERVAL_S = 2.5
DEAF_CHECKS = (
    3  # in a row that find records in a partition of which the client has fetched nothing since it was assigned
)
SECOND_TRY_S = 3.0  # for another client to get the same batch,
LEAST_BYTES_S = 500_000  # and as much longer as it takes where the broker delivers so little a second
ANSWER_S = 5.0  # in which the broker tells the other client a partition's end; else why it is silent is not known
HOPS = 100  # batches of transactions that are looked behind

Starts = Callable[[], Mapping[Place, int]]


class Positioned(Seeking, Protocol):
    """What is asked of a client that may have stopped."""

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]: ...
    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = ..., *, cached: bool = ...
    ) -> tuple[int, int]: ...


class StallWatch:
    """Knows which partitions of an agent's client have been silent, and finds what stopped them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fetches = 0
        self._heard: dict[Place, tuple[float, int]] = {}  # when something came last, in seconds and in fetches
        self._next_check_s = time.monotonic() + CHECK_INTERVAL_S
        self._deaf: Counter[Place] = Counter()  # checks in a row
        self.deaf_to: Place | None = None  # a partition that this client does not fetch at all: another one would

    async def passed_over(
        self, client: Positioned, refused: Sequence[Message], starts: Starts, heard: Iterable[Place]
    ) -> list[UnreadableBatch]:
        """Called after each fetch: what the client refused, and what stopped it; nearly always an empty list.

        refused  reports of the client
        starts   gives the owned partitions, and where each is read on
        heard    the partitions that the fetch brought something from
        """
        if refused:
            return await pass_over_in_thread(self._settings, client, refused)
        self._fetches += 1
        now_s = time.monotonic()
        for place in heard:
            self._heard[place] = now_s, self._fetches
            self._deaf.pop(place, None)
        if now_s < self._next_check_s:
            return []
        self._next_check_s = now_s + CHECK_INTERVAL_S
        owned = starts()
        self._heard = {place: since for place, since in self._heard.items() if place in owned}
        found = [await self._passed_over(client, place, start, now_s) for place, start in owned.items()]
        return [batch for batch in found if batch is not None]

    async def _passed_over(self, client: Positioned, place: Place, start: int, now_s: float) -> UnreadableBatch | None:
        since_s, fetches = self._heard.setdefault(place, (now_s, self._fetches))
        if now_s - since_s < SILENT_S or self._fetches - fetches < SILENT_FETCHES:
            return None
        self._heard[place] = now_s, self._fetches
        _, end = client.get_watermark_offsets(TopicPartition(*place), cached=True)
        if end < 0:
            await self._count_deaf(client, place, start)
        return await asyncio.to_thread(pass_stalled, self._settings, client, place, end, start)

    async def _count_deaf(self, client: Positioned, place: Place, start: int) -> None:
        """Nothing was fetched of a partition so far: is there something?"""
        try:
            _, end = await asyncio.to_thread(client.get_watermark_offsets, TopicPartition(*place), ANSWER_S)
        except KafkaException:  # the broker is away
            end = start
        self._deaf[place] = self._deaf[place] + 1 if end > start else 0
        if self._deaf[place] >= DEAF_CHECKS:
            self._deaf.clear()
            self.deaf_to = place


def pass_stalled(settings: Settings, client: Positioned, place: Place, end: int, start: int) -> UnreadableBatch | None:
    """Let a silent client read on behind the batch that stopped it; None where none did.

    start  where it began to read
    """
    try:
        offset = _position(client, place, start)
        if not 0 <= offset < end:
            return None
        head = _stopping(settings, place, offset, end)
        if head is None:
            return None
        client.seek(TopicPartition(*place, head.last + 1))
    except (BrokerError, NoBatch, KafkaException, OSError) as why:
        log.warning("%s[%d] is silent, and why is not known yet: %s", *place, why, extra=OF_OUTAGE)
        return None
    detail = (
        f"offsets {head.first} to {head.last}, a batch of {head.wire_bytes} bytes, compression {head.codec}, "
        "that Kafka's client cannot read: its records cannot be parsed"
    )
    log.error("%s[%d]: passed over %s", *place, detail)
    return UnreadableBatch(*place, head.first, head.last, head.newest_ms, detail)


def _position(client: Positioned, place: Place, start: int) -> int:
    (reached,) = client.position([TopicPartition(*place)])
    return start if reached.offset < 0 else int(reached.offset)  # nothing was read since the partition was assigned


def _stopping(settings: Settings, place: Place, offset: int, end: int) -> BatchHead | None:
    """What nobody can read of the first batch at an offset or behind it that belongs to no transaction, if anything."""
    for _ in range(HOPS):
        head = batch_head(settings, *place, offset)
        if not head.transactional:
            if _is_readable(settings, place, offset, head.wire_bytes):
                return None
            return head._replace(first=max(head.first, offset))
        offset = head.last + 1
        if offset >= end:
            break
    return None


def _is_readable(settings: Settings, place: Place, offset: int, wire_bytes: int) -> bool:
    """Whether another client gets anything from there on, or nobody may as yet: an open transaction lies before it.

    wire_bytes  of the batch, which it asks for alone: more would take longer

    KafkaException where the broker does not answer at all.
    """
    options = {"group.id": f"{settings.prefix}groupless", "enable.partition.eof": True, "fetch.message.max.bytes": 1}
    consumer = Consumer({**CLIENT, **CONSUMER, **librdkafka_options(settings), **options})
    try:
        _, stable_end = consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_S)
        if offset >= stable_end:
            return True
        consumer.assign([TopicPartition(*place, offset)])
        # An error counts as well: the first client will report it too.
        return bool(consumer.consume(1, SECOND_TRY_S + wire_bytes / LEAST_BYTES_S))
    finally:
        consumer.close()
