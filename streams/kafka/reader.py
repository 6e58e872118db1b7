"""The one way in which a topic is read without a group: from an offset to an end, in batches.

Agents step through the batches in a thread; commands read the same batches record by record (command_reader.py).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, Literal, Protocol, cast

from confluent_kafka import Consumer, KafkaError

from schemas.settings.model import Settings
from streams.errors import missing_topic
from streams.kafka.client import (
    ANSWER_TIMEOUT_S,
    CLIENT,
    CONSUMER,
    METADATA_TIMEOUT_S,
    PATIENCE_S,
    KafkaException,
    answered_in_time,
)
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.records import Message, Record, TopicPartition, is_event, records_of
from streams.kafka.rights import needing, reading
from streams.kafka.security import librdkafka_options
from streams.kafka.stalled import pass_stalled
from streams.kafka.unreadable import OnUnreadable, UnreadableBatch, pass_over

log = logging.getLogger("freshet.kafka")

FETCH_BATCH_SIZE = 10_000  # records that one call fetches while a topic is read to its end
FETCH_TIMEOUT_S = 0.2  # the longest wait for that many
STALLED_FETCHES = 25  # in a row without anything, short of the end: then it is asked what stopped the client


class GrouplessConsumer(Protocol):
    """What is asked of confluent_kafka.Consumer without a group, with the types of what a fetch really returns."""

    def assign(self, partitions: list[TopicPartition]) -> None: ...
    def consume(self, num_messages: int, timeout: float) -> list[Message]: ...
    def seek(self, partition: TopicPartition) -> None: ...
    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]: ...
    def pause(self, partitions: list[TopicPartition]) -> None: ...
    def resume(self, partitions: list[TopicPartition]) -> None: ...
    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]: ...
    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> object: ...
    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]: ...
    def list_topics(self, topic: str | None, timeout: float) -> Any: ...  # ClusterMetadata, which is not typed


def groupless_group(settings: Settings) -> str:
    """The group that a consumer without a group names, and never joins."""
    return f"{settings.prefix}groupless"


@contextmanager
def groupless(
    settings: Settings, options: Mapping[str, object] | None = None, *, close_in_background: bool = False
) -> Iterator[GrouplessConsumer]:
    """A consumer without a group: it reads the partitions that it is assigned and commits nothing by itself.

    options              of librdkafka, over the usual ones
    close_in_background  close it in a thread of its own: a client that lost its broker may never come to an end
    """
    unused = {"group.id": groupless_group(settings)}  # librdkafka demands one; nothing is committed under it
    usual = {**CLIENT, **CONSUMER, **librdkafka_options(settings), **unused, "enable.partition.eof": True}
    consumer = Consumer(usual | dict(options or {}))
    try:
        yield cast(GrouplessConsumer, consumer)
    finally:
        if close_in_background:
            Thread(target=consumer.close, daemon=True).start()
        else:
            consumer.close()


def fetch_between(
    settings: Settings,
    consumer: GrouplessConsumer,
    topic: str,
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    on_unreadable: OnUnreadable = lambda _: None,
) -> Iterator[list[Message]]:
    """Batches from `starts` to before `ends`, offsets by partition; a batch is empty where the broker was silent.

    on_unreadable  is told of each batch that was passed over
    """
    refused: list[Message] = []
    empty_fetches, begun = 0, dict(starts)  # where reading began, or went on behind a batch that was passed over
    left = {p for p, start in starts.items() if start < ends[p]}
    if not left:
        return
    consumer.assign([TopicPartition(topic, p, starts[p]) for p in sorted(left)])
    while left:
        batch = consumer.consume(FETCH_BATCH_SIZE, FETCH_TIMEOUT_S)
        at_end = {message.partition() for message in batch if is_end(message)}
        yield [m for m in batch if not is_event(m, refused) and m.offset() < ends[m.partition()]]
        if refused:
            for passed in pass_over(settings, consumer, refused):
                begun[passed.partition] = passed.last + 1
                on_unreadable(passed)
            refused.clear()
        empty_fetches = 0 if batch else empty_fetches + 1
        if empty_fetches == STALLED_FETCHES:
            empty_fetches = 0
            for p in left:
                if stopped := pass_stalled(settings, consumer, (topic, p), ends[p], begun[p]):
                    begun[p] = stopped.last + 1
                    on_unreadable(stopped)
        reached = consumer.position([TopicPartition(topic, p) for p in left])
        left -= at_end | {place.partition for place in reached if place.offset >= ends[place.partition]}


def is_end(message: Message) -> bool:
    """Whether a message says that its partition has been read to the end, whatever compaction took away."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def watermarks(
    consumer: GrouplessConsumer, topic: str, partition: int, limit_s: float = METADATA_TIMEOUT_S
) -> tuple[int, int]:
    """First offset of a partition and the one after its last record, asked once from the broker."""
    place = TopicPartition(topic, partition)
    try:
        return consumer.get_watermark_offsets(place, limit_s)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
            raise
    consumer.list_topics(topic, limit_s)  # what it cached while the broker was coming back is never renewed
    return consumer.get_watermark_offsets(place, limit_s)


async def bounds(consumer: GrouplessConsumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset of a partition and the one after its last record; TimeoutError where the broker does not answer."""
    with needing(reading(topic)):
        return await answered_in_time(watermarks, consumer, topic, partition, ANSWER_TIMEOUT_S)


async def partitions_of(consumer: GrouplessConsumer, topic: str) -> list[int]:
    """Partition numbers of a topic, an empty list when there is none; TimeoutError where the broker does not answer."""
    found = (await answered_in_time(consumer.list_topics, topic, ANSWER_TIMEOUT_S)).topics[topic]
    return [] if found.error else sorted(found.partitions)


async def required_partitions(settings: Settings, topic: str) -> list[int]:
    """The same for a command, which ends with a sentence where there is no such topic."""
    while True:
        with groupless(settings, close_in_background=True) as consumer, suppress(TimeoutError):
            if found := await partitions_of(consumer, topic):
                return found
            raise missing_topic(topic)


async def all_bounds(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """First offset of each partition and the one after its last record; asked until the broker answers."""
    asked = list(partitions)
    while True:
        with groupless(settings, close_in_background=True) as consumer, suppress(TimeoutError):
            return {p: await bounds(consumer, topic, p) for p in asked}


async def end_offsets(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The offset after the last record of each partition."""
    return {p: end for p, (_, end) in (await all_bounds(settings, topic, partitions)).items()}


async def read_to_end(
    settings: Settings, topic: str, partitions: Iterable[int], back: int | None = None
) -> AsyncIterator[list[Record]]:
    """Batches of what the partitions hold now, oldest first; with `back` only about the last so many offsets each."""
    here = await all_bounds(settings, topic, partitions)
    starts = {p: start if back is None else max(start, end - back) for p, (start, end) in here.items()}
    async for batch in _messages_between(settings, topic, starts, {p: end for p, (_, end) in here.items()}):
        yield records_of(batch)


async def read_between(settings: Settings, topic: str, partition: int, start: int, end: int) -> list[Record]:
    """The records of one partition from offset `start` to before `end`, as far as they are still there."""
    found = _messages_between(settings, topic, {partition: start}, {partition: end})
    return [record async for batch in found for record in records_of(batch)]


def record_at(settings: Settings, topic: str, partition: int, offset: int, limit_s: float) -> Record | None:
    """The record at an offset; None where it is not there any more, or did not come in time."""
    end_s = time.monotonic() + limit_s
    with groupless(settings, close_in_background=True) as consumer:
        consumer.assign([TopicPartition(topic, partition, offset)])
        while (left_s := end_s - time.monotonic()) > 0:
            messages = consumer.consume(1, left_s)  # of more it would wait for all of them
            if found := records_of(messages):
                return found[0] if found[0].offset == offset else None
            if any(map(is_end, messages)):
                return None
    return None


async def read_from(
    settings: Settings, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> AsyncIterator[list[Record]]:
    """Batches of what the partitions hold from `starts` to before `ends`, as far as it is still there."""
    async for batch in _messages_between(settings, topic, starts, ends):
        yield records_of(batch)


async def messages_to(settings: Settings, topic: str, ends: dict[int, int]) -> AsyncIterator[list[Message]]:
    """Batches of everything before these ends by partition: the client's own messages, which are read faster."""
    starts = {p: start for p, (start, _) in (await all_bounds(settings, topic, ends)).items()}
    async for batch in _messages_between(settings, topic, starts, ends):
        yield batch


async def _messages_between(
    settings: Settings, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> AsyncIterator[list[Message]]:
    """Batches from `starts` to before `ends`; where nothing comes for long, another client goes on from there."""
    places, at_end, heard_s = dict(starts), False, 0.0

    def behind(passed: UnreadableBatch) -> None:
        nonlocal heard_s
        places[passed.partition], heard_s = passed.last + 1, time.monotonic()

    while not at_end:
        rights = needing(reading(topic), f"the right to describe group {groupless_group(settings)}")
        with rights, groupless(settings, close_in_background=True) as consumer:
            at_end, heard_s = True, time.monotonic()
            async for batch in _in_thread(fetch_between(settings, consumer, topic, places, ends, behind)):
                yield batch
                places.update({message.partition(): message.offset() + 1 for message in batch})
                heard_s = time.monotonic() if batch else heard_s
                if time.monotonic() - heard_s > PATIENCE_S:
                    why = f"nothing came for {PATIENCE_S:g} s"
                    log.warning("%s: %s; reading on with another client", topic, why, extra=OF_OUTAGE)
                    at_end = False
                    break


async def _in_thread(batches: Iterator[list[Message]]) -> AsyncIterator[list[Message]]:
    """The same batches, each fetched in a thread, so that the event loop goes on."""
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch
