"""Records to and from the broker, by librdkafka: the measuring side shall cost little."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.messages import feedback
from schemas.messages.feedback import Watch
from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES, PROFILES
from streams.errors import OperatorError
from streams.kafka.records import partition_of

STALLED_S = 60.0  # a guess; a worker is ready after 3 s on two idle cores
CREATE_S = 30.0


class Outgoing(NamedTuple):
    """One record to send."""

    key: bytes
    value: bytes


class Found(NamedTuple):
    """What a reading brought: the newest value by key, and how many records there were."""

    newest: dict[bytes, bytes]
    records: int


def make_changelog(settings: Settings, topic: str) -> None:
    """Make a compacted topic with the changelog's own configuration, where there is none."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    if topic in admin.list_topics(timeout=CREATE_S).topics:
        return
    wanted = NewTopic(topic, settings.partitions, settings.replication, config=PROFILES.config())
    admin.create_topics([wanted], operation_timeout=CREATE_S)[topic].result(CREATE_S)


def producer(settings: Settings, linger_ms: int) -> Producer:
    """A producer that the broker confirms everything to, each record once and in its order."""
    return Producer(
        {
            "bootstrap.servers": settings.bootstrap,
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
            "message.max.bytes": MAX_RECORD_BYTES,
            "log_level": 3,  # errors; that a fresh broker is still loading something is none
        }
    )


def publish(settings: Settings, topic: str, records: Iterable[Outgoing]) -> None:
    """Send all, each to its key's partition, and return when the broker has them."""
    failed: list[KafkaError] = []
    sender = producer(settings, linger_ms=5)

    def heard(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for number, (key, value) in enumerate(records):
        sender.produce(topic, value, key, partition_of(key, settings.partitions), heard)
        if not number % 1000:
            sender.poll(0)
    if sender.flush(STALLED_S) or failed:
        raise OperatorError(f"{topic}: not all records were confirmed ({failed[:1]}).", "Is the machine very busy?")


@contextmanager
def consumer(settings: Settings, topic: str, from_end: bool) -> Iterator[Consumer]:
    """A consumer of all partitions, from their beginning or from their present end, without a group."""
    reader = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": f"{settings.prefix}reader",  # demanded, and not used
            "enable.auto.commit": False,
            "fetch.message.max.bytes": MAX_RECORD_BYTES,
        }
    )
    try:
        places = [TopicPartition(topic, partition, 0) for partition in range(settings.partitions)]
        for place in places if from_end else ():
            _, place.offset = reader.get_watermark_offsets(place, timeout=CREATE_S)
        reader.assign(places)
        yield reader
    finally:
        reader.close()


def newest_until(settings: Settings, topic: str, wanted: Callable[[bytes], bool], check: Callable[[], None]) -> Found:
    """Read a topic from its beginning until each partition has had a record whose key is wanted."""
    newest: dict[bytes, bytes] = {}
    count, missing, moved_s = 0, set(range(settings.partitions)), time.monotonic()
    with consumer(settings, topic, from_end=False) as reader:
        while missing:
            records = reader.consume(2000, timeout=0.01)
            for record in records:
                if record.error():
                    raise KafkaException(record.error())
                key = record.key() or b""
                newest[key] = record.value() or b""
                if wanted(key):
                    missing.discard(record.partition())
            count += len(records)
            moved_s = time.monotonic() if records else moved_s
            if time.monotonic() - moved_s > STALLED_S:
                cause = (
                    f"{topic}: {len(missing)} partitions lack what is awaited, and nothing moved for {STALLED_S:g} s."
                )
                raise OperatorError(cause, "Is the machine very busy?")
            check()
    return Found(newest, count)


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
            feedback.encode(
                Watch(user_id=user, video_id="v000000", at_ms=at_ms, event_id=f"{user}-{word}", watched_ms=9000)
            ),
        )
        for user in one_of_each_partition(word, settings.partitions)
    ]


def of_mark(word: str) -> Callable[[bytes], bool]:
    """Whether a changelog's key belongs to a mark of that word.

    >>> [of_mark("last")(key) for key in (b"last-2", b"last-2|s", b"p000001")]
    [True, True, False]
    """
    start = f"{word}-".encode()
    return lambda key: key.startswith(start)
