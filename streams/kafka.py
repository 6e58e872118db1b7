"""Kafka at hand: client options from the settings, the partitioner, and reading a topic up to its end."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from schemas.settings import Settings
from schemas.topics import MAX_RECORD_BYTES

Record = Any  # aiokafka.ConsumerRecord
POLL_MS = 1000


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, count: int) -> int:
    """Partition of a key in a topic of `count` partitions: murmur2, as Java, kafka-python and aiokafka have it.

    >>> [partition_of(key, 4) for key in (b"u1", b"u2", b"u3")]
    [0, 2, 2]
    """
    return int((murmur2(key) & 0x7FFFFFFF) % count)


def client_options(settings: Settings) -> dict[str, Any]:
    """Options that every aiokafka and kafka-python client takes alike."""
    return {"bootstrap_servers": settings.bootstrap.split(",")}


@asynccontextmanager
async def groupless(settings: Settings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group: it reads what it is told to and commits nothing."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
        **options,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    """Partition numbers of a topic, asked from the broker; an empty list when there is no such topic."""
    await consumer._client.force_metadata_update()
    await consumer._client._wait_on_metadata(topic)
    return sorted(consumer.partitions_for_topic(topic) or ())


async def end_offsets(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The offset behind the last record of each partition."""
    async with groupless(settings) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in partitions])
    return {tp.partition: end for tp, end in ends.items()}


async def read_to_end(
    settings: Settings, topic: str, partitions: Iterable[int], back: int | None = None
) -> AsyncIterator[list[Record]]:
    """Batches of what the partitions hold now, oldest first; with `back` only about the last so many offsets each."""
    places = [TopicPartition(topic, p) for p in partitions]
    if not places:
        return
    async with groupless(settings) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        left = {tp for tp in places if ends[tp] > begins[tp]}
        for tp in places:
            consumer.seek(tp, begins[tp] if back is None else max(begins[tp], ends[tp] - back))
        while left:
            for tp, batch in (await consumer.getmany(*left, timeout_ms=POLL_MS)).items():
                yield [record for record in batch if record.offset < ends[tp]]
            for tp in list(left):
                if await consumer.position(tp) >= ends[tp]:  # also past what compaction took away
                    left.discard(tp)
