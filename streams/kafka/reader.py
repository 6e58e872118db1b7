"""Reading topics without a group: up to their end, between two offsets, from the broker's own word on both."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.settings.model import Settings
from streams.kafka.client import ASK_S, CLIENT, CONSUMER, patiently
from streams.kafka.records import Message, Record, raise_for, records_of
from streams.kafka.security import librdkafka_options

AT_ONCE = 10_000  # records that one call fetches while a topic is read to its end
FETCH_S = 0.2  # the longest wait for that many


@contextmanager
def groupless(settings: Settings, *, left: bool = False, **options: Any) -> Iterator[Consumer]:
    """A consumer without a group: it reads what it is told to and commits nothing.

    left  close it in a thread of its own: a client in trouble may never come to an end
    """
    unused = {"group.id": f"{settings.prefix}groupless"}  # librdkafka asks for one; nothing is ever committed under it
    usual = {**CLIENT, **CONSUMER, **librdkafka_options(settings), **unused, "enable.partition.eof": True}
    consumer = Consumer(usual | options)
    try:
        yield consumer
    finally:
        if left:
            Thread(target=consumer.close, daemon=True).start()
        else:
            consumer.close()


async def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Partition numbers of a topic, asked from the broker; an empty list when there is no such topic."""
    found = (await patiently(consumer.list_topics, topic, ASK_S)).topics[topic]
    return [] if found.error else sorted(found.partitions)


async def end_offsets(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The offset behind the last record of each partition."""
    with groupless(settings) as consumer:
        return {p: (await bounds(consumer, topic, p))[1] for p in partitions}


async def read_to_end(
    settings: Settings, topic: str, partitions: Iterable[int], back: int | None = None
) -> AsyncIterator[list[Record]]:
    """Batches of what the partitions hold now, oldest first; with `back` only about the last so many offsets each."""
    with groupless(settings) as consumer:
        here = {p: await bounds(consumer, topic, p) for p in partitions}
        starts = {p: start if back is None else max(start, end - back) for p, (start, end) in here.items()}
        async for batch in _between(consumer, topic, starts, {p: end for p, (_, end) in here.items()}):
            yield records_of(batch)


async def read_between(settings: Settings, topic: str, partition: int, start: int, end: int) -> list[Record]:
    """The records of one partition from offset `start` to before `end`, as far as they are still there."""
    with groupless(settings) as consumer:
        found = _between(consumer, topic, {partition: start}, {partition: end})
        return [record async for batch in found for record in records_of(batch)]


async def messages_to(settings: Settings, topic: str, ends: dict[int, int]) -> AsyncIterator[list[Message]]:
    """Batches of everything before these ends by partition: the client's own messages, which are read faster."""
    with groupless(settings) as consumer:
        async for batch in _between(consumer, topic, {p: (await bounds(consumer, topic, p))[0] for p in ends}, ends):
            yield batch


async def _between(
    consumer: Consumer, topic: str, starts: dict[int, int], ends: dict[int, int]
) -> AsyncIterator[list[Message]]:
    left = {p for p, start in starts.items() if start < ends[p]}
    if not left:
        return
    consumer.assign([TopicPartition(topic, p, starts[p]) for p in sorted(left)])
    while left:
        batch: list[Message] = await asyncio.to_thread(consumer.consume, AT_ONCE, FETCH_S)
        at_end = {message.partition() for message in batch if is_end(message)}
        yield [m for m in batch if not raise_for(m.error()) and m.offset() < ends[m.partition()]]
        reached = consumer.position([TopicPartition(topic, p) for p in left])
        left -= at_end | {place.partition for place in reached if place.offset >= ends[place.partition]}


async def bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset of a partition, and the one behind its last record, asked from the broker."""
    return await patiently(_watermarks, consumer, TopicPartition(topic, partition))  # type: ignore[no-any-return]


def _watermarks(consumer: Consumer, place: TopicPartition) -> Any:
    try:
        return consumer.get_watermark_offsets(place, ASK_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
            raise
    consumer.list_topics(place.topic, ASK_S)  # what it remembers of a broker that was coming back stays as it is
    return consumer.get_watermark_offsets(place, ASK_S)


def is_end(message: Message) -> bool:
    """Whether a message says that its partition has been read to the end, whatever compaction took away."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
