"""Records as the agents see them, and the partition of a key."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage

from streams.kafka.client import is_passing, log

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


def raise_for(error: KafkaError | None) -> bool:
    """Whether a message is no record; raises KafkaException for an error that does not pass by itself."""
    if error is None:
        return False
    if not is_passing(error):
        raise KafkaException(error)
    if error.code() != KafkaError._PARTITION_EOF:
        log.warning("Kafka: %s", error.str())
    return True
