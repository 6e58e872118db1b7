"""The one way in which a topic is read without a group: from an offset to an end, in batches.

Agents step through the batches in a thread; commands read the same batches record by record (command_reader.py).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any, Literal, Protocol, cast

from confluent_kafka import Consumer, KafkaError

from schemas.settings.model import Settings
from streams.kafka.client import CLIENT, CONSUMER, METADATA_TIMEOUT_S, KafkaException, retry_until_answered
from streams.kafka.records import Message, Record, TopicPartition, raise_for, records_of
from streams.kafka.security import librdkafka_options

FETCH_BATCH_SIZE = 10_000  # records that one call fetches while a topic is read to its end
FETCH_TIMEOUT_S = 0.2  # the longest wait for that many


class GrouplessConsumer(Protocol):
    """What is asked of confluent_kafka.Consumer without a group, with the types of what a fetch really returns."""

    def assign(self, partitions: list[TopicPartition]) -> None: ...
    def consume(self, num_messages: int, timeout: float) -> list[Message]: ...
    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]: ...
    def pause(self, partitions: list[TopicPartition]) -> None: ...
    def resume(self, partitions: list[TopicPartition]) -> None: ...
    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]: ...
    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> object: ...
    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]: ...
    def list_topics(self, topic: str, timeout: float) -> Any: ...  # ClusterMetadata, which is not typed


@contextmanager
def groupless(
    settings: Settings, options: Mapping[str, object] | None = None, *, close_in_background: bool = False
) -> Iterator[GrouplessConsumer]:
    """A consumer without a group: it reads the partitions that it is assigned and commits nothing by itself.

    options              of librdkafka, over the usual ones
    close_in_background  close it in a thread of its own: a client that lost its broker may never come to an end
    """
    unused = {"group.id": f"{settings.prefix}groupless"}  # librdkafka demands one; nothing is committed under it
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
    consumer: GrouplessConsumer, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> Iterator[list[Message]]:
    """Batches from `starts` to before `ends`, offsets by partition; a batch is empty where the broker was silent."""
    left = {p for p, start in starts.items() if start < ends[p]}
    if not left:
        return
    consumer.assign([TopicPartition(topic, p, starts[p]) for p in sorted(left)])
    while left:
        batch = consumer.consume(FETCH_BATCH_SIZE, FETCH_TIMEOUT_S)
        at_end = {message.partition() for message in batch if is_end(message)}
        yield [m for m in batch if not raise_for(m.error()) and m.offset() < ends[m.partition()]]
        reached = consumer.position([TopicPartition(topic, p) for p in left])
        left -= at_end | {place.partition for place in reached if place.offset >= ends[place.partition]}


def is_end(message: Message) -> bool:
    """Whether a message says that its partition has been read to the end, whatever compaction took away."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def watermarks(consumer: GrouplessConsumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset of a partition and the one after its last record, asked once from the broker."""
    place = TopicPartition(topic, partition)
    try:
        return consumer.get_watermark_offsets(place, METADATA_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
            raise
    consumer.list_topics(topic, METADATA_TIMEOUT_S)  # what it cached while the broker was coming back is never renewed
    return consumer.get_watermark_offsets(place, METADATA_TIMEOUT_S)


async def bounds(consumer: GrouplessConsumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset of a partition and the one after its last record; asked until the broker answers."""
    return await retry_until_answered(watermarks, consumer, topic, partition)


async def partitions_of(consumer: GrouplessConsumer, topic: str) -> list[int]:
    """Partition numbers of a topic, asked from the broker; an empty list when there is no such topic."""
    found = (await retry_until_answered(consumer.list_topics, topic, METADATA_TIMEOUT_S)).topics[topic]
    return [] if found.error else sorted(found.partitions)


async def end_offsets(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The offset after the last record of each partition."""
    with groupless(settings) as consumer:
        return {p: (await bounds(consumer, topic, p))[1] for p in partitions}


async def read_to_end(
    settings: Settings, topic: str, partitions: Iterable[int], back: int | None = None
) -> AsyncIterator[list[Record]]:
    """Batches of what the partitions hold now, oldest first; with `back` only about the last so many offsets each."""
    with groupless(settings) as consumer:
        here = {p: await bounds(consumer, topic, p) for p in partitions}
        starts = {p: start if back is None else max(start, end - back) for p, (start, end) in here.items()}
        async for batch in _in_thread(fetch_between(consumer, topic, starts, {p: end for p, (_, end) in here.items()})):
            yield records_of(batch)


async def read_between(settings: Settings, topic: str, partition: int, start: int, end: int) -> list[Record]:
    """The records of one partition from offset `start` to before `end`, as far as they are still there."""
    with groupless(settings) as consumer:
        found = _in_thread(fetch_between(consumer, topic, {partition: start}, {partition: end}))
        return [record async for batch in found for record in records_of(batch)]


async def messages_to(settings: Settings, topic: str, ends: dict[int, int]) -> AsyncIterator[list[Message]]:
    """Batches of everything before these ends by partition: the client's own messages, which are read faster."""
    with groupless(settings) as consumer:
        starts = {p: (await bounds(consumer, topic, p))[0] for p in ends}
        async for batch in _in_thread(fetch_between(consumer, topic, starts, ends)):
            yield batch


async def _in_thread(batches: Iterator[list[Message]]) -> AsyncIterator[list[Message]]:
    """The same batches, each fetched in a thread, so that the event loop goes on."""
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch
