"""Records as the agents see them, and the partition of a key."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError
from confluent_kafka import Message as ClientMessage
from confluent_kafka import TopicPartition as TopicPartition  # other folders name partitions by it

from streams.kafka.client import KafkaException, is_transient, log
from streams.kafka.murmur2 import murmur2
from streams.kafka.outage import OF_OUTAGE

REFUSALS = frozenset(  # errors of one batch, which every further fetch would report again
    (
        KafkaError._BAD_MSG,
        KafkaError._BAD_COMPRESSION,
        KafkaError._NOT_IMPLEMENTED,
        KafkaError._CRIT_SYS_RESOURCE,
        KafkaError.INVALID_MSG,
        KafkaError.MSG_SIZE_TOO_LARGE,
    )
)
Place = tuple[str, int]  # topic and partition
Headers = Sequence[tuple[str, bytes | None]]


class Message(Protocol):
    """A message as the client fetched it: confluent_kafka.Message, whose own types allow None for every field."""

    def error(self) -> KafkaError | None: ...
    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def timestamp(self) -> tuple[int, int]: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Headers | None: ...


class Record(NamedTuple):
    """One record as the agents see it."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


Polled = Iterable[tuple[Place, Sequence[Record]]]  # partitions with what a fetch brought of them, in offset order


def records_of(messages: Sequence[Message], refused: list[Message] | None = None) -> list[Record]:
    """A client's messages as records, without those that are events of the client, see `is_event`."""
    if any(map(ClientMessage.error, messages)):  # type: ignore[arg-type]  # the protocol stands for this very class
        messages = [message for message in messages if not is_event(message, refused)]
    columns = (  # one call for a column costs half of what one call for a record does
        map(ClientMessage.topic, messages),  # type: ignore[arg-type]
        map(ClientMessage.partition, messages),  # type: ignore[arg-type]
        map(ClientMessage.offset, messages),  # type: ignore[arg-type]
        [at_ms for _, at_ms in map(ClientMessage.timestamp, messages)],  # type: ignore[arg-type]
        map(ClientMessage.key, messages),  # type: ignore[arg-type]
        map(ClientMessage.value, messages),  # type: ignore[arg-type]
        _headers_of(messages),
    )
    return [*map(Record._make, zip(*columns, strict=True))]


def _headers_of(messages: Iterable[Message]) -> list[Headers]:
    """Headers of each message; none where a name is not UTF-8, for the client cannot show them.

    The client must not be asked twice for those: it has kept a list with a hole in it.
    """
    found: list[Headers | None] = []
    left = iter(messages)
    while True:
        try:
            found.extend(map(ClientMessage.headers, left))  # type: ignore[arg-type]
        except (SystemError, UnicodeDecodeError):
            found.append(None)  # of the message at which it stopped
        else:
            return [headers or () for headers in found]


def by_partition(messages: Sequence[Message], refused: list[Message] | None = None) -> dict[Place, list[Record]]:
    """Records by topic and partition, each partition's in offset order."""
    found: dict[Place, list[Record]] = defaultdict(list)
    for record in records_of(messages, refused):
        found[record[:2]].append(record)
    return found


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, count: int) -> int:
    """Partition of a key in a topic of `count` partitions: murmur2, as Java, kafka-python and aiokafka have it.

    >>> [partition_of(key, 4) for key in (b"u1", b"u2", b"u3")]
    [0, 2, 2]
    """
    return (murmur2(key) & 0x7FFFFFFF) % count


def is_event(message: Message, refused: list[Message] | None = None) -> bool:
    """Whether a message is an event of the client and no record; KafkaException unless its error is transient.

    refused  takes the reports of batches that the client cannot read; None: they raise as well
    """
    error = message.error()
    if error is None:
        return False
    if refused is not None and error.code() in REFUSALS and message.topic():
        refused.append(message)
    elif not is_transient(error):
        raise KafkaException(error)
    elif error.code() != KafkaError._PARTITION_EOF:
        log.warning("Kafka: %s", error.str(), extra=OF_OUTAGE)
    return True
