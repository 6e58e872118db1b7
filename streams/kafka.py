"""Kafka at hand: records, the partitioner, groupless consumers, and reading a topic up to its end."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Thread
from typing import Any, NamedTuple

from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas.settings.model import Settings
from streams.security import librdkafka_options

log = logging.getLogger("freshet.kafka")

AT_ONCE = 10_000  # records that one call fetches while a topic is read to its end
FETCH_S = 0.2  # the longest wait for that many
ASK_S = 10.0  # for the broker's answer about a topic
PAUSE_S = 1.0  # before a broker that did not answer is asked again
LONGEST_POLL_S = 900.0  # then the group takes a worker for dead

CLIENT = {
    "reconnect.backoff.ms": 500,  # 20 tries a second as shipped, each with a line in the log
    "reconnect.backoff.max.ms": 2000,
    "socket.keepalive.enable": True,
    "log.connection.close": False,
    "logger": logging.getLogger("freshet.librdkafka"),
}
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "queued.max.messages.kbytes": 32 * 1024,  # bounds the memory of what is fetched ahead
}
GROUP = {
    "partition.assignment.strategy": "range",  # partition p of every topic that an agent reads goes to one worker
    "session.timeout.ms": 10_000,  # a killed worker's partitions are idle that long
    "heartbeat.interval.ms": 2_000,
    "max.poll.interval.ms": int(1000 * LONGEST_POLL_S),
    "queued.min.messages": 1,  # with the next line: no fetch request while the last one's records are unread
    "fetch.queue.backoff.ms": 5,
}

Message = Any  # confluent_kafka.Message; its stubs allow None for everything
Headers = Sequence[tuple[str, bytes | None]]


class Record(NamedTuple):
    """One record as the agents see it."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def records_of(messages: Sequence[Message]) -> list[Record]:
    """A client's messages as records; what is none is left out, see `raise_for`."""
    if any(map(KafkaMessage.error, messages)):
        messages = [message for message in messages if not raise_for(message.error())]
    columns = (  # one call for a column costs half of what one call for a record does
        map(KafkaMessage.topic, messages),
        map(KafkaMessage.partition, messages),
        map(KafkaMessage.offset, messages),
        [at_ms for _, at_ms in map(KafkaMessage.timestamp, messages)],
        map(KafkaMessage.key, messages),
        map(KafkaMessage.value, messages),
        [headers or () for headers in map(KafkaMessage.headers, messages)],
    )
    return [*map(Record._make, zip(*columns, strict=True))]


def by_place(messages: Sequence[Message]) -> dict[tuple[str, int], list[Record]]:
    """Records by topic and partition, each partition's in offset order."""
    found: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in records_of(messages):
        found[record[:2]].append(record)
    return found


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, count: int) -> int:
    """Partition of a key in a topic of `count` partitions: murmur2, as Java, kafka-python and aiokafka have it.

    >>> [partition_of(key, 4) for key in (b"u1", b"u2", b"u3")]
    [0, 2, 2]
    """
    return int((murmur2(key) & 0x7FFFFFFF) % count)


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


async def patiently(ask: Any, *given: Any) -> Any:
    """Ask the broker in a thread, and again for as long as it cannot be reached."""
    while True:
        try:
            return await asyncio.to_thread(ask, *given)
        except KafkaException as error:
            if not is_passing(error.args[0]):
                raise
            log.warning("the broker does not answer, asking again: %s", error.args[0].str())
            await asyncio.sleep(PAUSE_S)


PASSING = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._PARTITION_EOF,
        KafkaError._UNKNOWN_PARTITION,
        # while a broker comes back; librdkafka calls them retriable for some questions only
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
    )
)


def is_passing(error: KafkaError) -> bool:
    """Whether an error may go away by itself."""
    return bool(not error.fatal() and (error.retriable() or error.code() in PASSING))


def is_end(message: Message) -> bool:
    """Whether a message says that its partition has been read to the end, whatever compaction took away."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def raise_for(error: KafkaError | None) -> bool:
    """Whether a message is no record; raises KafkaException for an error that does not pass by itself."""
    if error is None:
        return False
    if not is_passing(error):
        raise KafkaException(error)
    if error.code() != KafkaError._PARTITION_EOF:
        log.warning("Kafka: %s", error.str())
    return True
