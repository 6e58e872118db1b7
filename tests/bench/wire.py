"""Records to and from the broker, by librdkafka: the measuring side shall cost little."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas import events
from schemas.events import Watch
from schemas.settings import Settings
from schemas.topics import MAX_RECORD_BYTES, Topic
from streams.kafka import partition_of
from streams.trouble import Trouble

STALLED_S = 60.0  # a guess; a worker is ready after 3 s on two idle cores


class Outgoing(NamedTuple):
    """One record to send."""

    key: bytes
    value: bytes


def producer(settings: Settings, linger_ms: int) -> Producer:
    """A producer that the broker confirms everything to."""
    return Producer(
        {
            "bootstrap.servers": settings.bootstrap,
            "acks": "all",
            "linger.ms": linger_ms,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
            "message.max.bytes": MAX_RECORD_BYTES,
        }
    )


def publish(settings: Settings, topic: Topic, records: Iterable[Outgoing]) -> None:
    """Send all, each to its key's partition, and return when the broker has them."""
    failed: list[KafkaError] = []
    sender, name = producer(settings, linger_ms=5), topic.full(settings.prefix)

    def heard(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for number, (key, value) in enumerate(records):
        sender.produce(name, value, key, partition_of(key, settings.partitions), heard)
        if not number % 1000:
            sender.poll(0)
    if sender.flush(STALLED_S) or failed:
        raise Trouble(f"{name}: not all records were confirmed ({failed[:1]}).", "Is the machine very busy?")


def consumer(settings: Settings, topic: Topic, from_end: bool) -> Consumer:
    """A consumer of all partitions, from their beginning or from their present end, without a group."""
    name = topic.full(settings.prefix)
    reader = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": f"{settings.prefix}reader",  # demanded, and not used
            "enable.auto.commit": False,
            "fetch.message.max.bytes": MAX_RECORD_BYTES,
        }
    )
    places = [TopicPartition(name, partition, 0) for partition in range(settings.partitions)]
    for place in places if from_end else ():
        _, place.offset = reader.get_watermark_offsets(place, timeout=10)
    reader.assign(places)
    return reader


def newest_until(
    settings: Settings, topic: Topic, wanted: Iterable[bytes], check: Callable[[], None]
) -> dict[bytes, bytes]:
    """Read a topic from its beginning until every wanted key has come; gives the newest value by key."""
    reader = consumer(settings, topic, from_end=False)
    newest: dict[bytes, bytes] = {}
    missing, moved_s = set(wanted), time.monotonic()
    try:
        while missing:
            records = reader.consume(2000, timeout=0.01)
            for record in records:
                if record.error():
                    raise KafkaException(record.error())
                newest[record.key() or b""] = record.value() or b""
            missing -= newest.keys()
            moved_s = time.monotonic() if records else moved_s
            if time.monotonic() - moved_s > STALLED_S:
                name = topic.full(settings.prefix)
                cause = f"{name}: {len(missing)} awaited keys did not come and nothing moved for {STALLED_S:g} s."
                raise Trouble(cause, "Is the machine very busy?")
            check()
    finally:
        reader.close()
    return newest


def one_of_each_partition(word: str, partitions: int) -> list[str]:
    """The first of `word-0`, `word-1`… that lies in each partition.

    >>> one_of_each_partition("u", 2)
    ['u-2', 'u-0']
    """
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        found.setdefault(partition_of(f"{word}-{number}".encode(), partitions), f"{word}-{number}")
        number += 1
    return [user for _, user in sorted(found.items())]


def marks(settings: Settings, word: str, at_ms: int) -> list[Outgoing]:
    """One watch in each partition, by people of that word: when their state is out, so is all before it."""
    return [
        Outgoing(
            user.encode(),
            events.encode(
                Watch(user_id=user, video_id="v000000", at_ms=at_ms, event_id=f"{user}-{word}", watched_ms=9000)
            ),
        )
        for user in one_of_each_partition(word, settings.partitions)
    ]


def keys(records: Iterable[Outgoing]) -> set[bytes]:
    """Whose records these are."""
    return {record.key for record in records}
