"""Reading topics from outside: all that a topic holds, where its end is, and how far a group has committed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES, Topic
from streams.kafka.records import Record, records_of

AT_ONCE = 5000
ANSWER_S = 10.0
READ_S = 300.0  # for one partition; a guess


@contextmanager
def consumer(settings: Settings, group: str = "chaos-reader") -> Iterator[Consumer]:
    """A consumer that commits nothing; with a group's name it can ask what the group has committed."""
    made = Consumer(
        {
            "bootstrap.servers": settings.bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": MAX_RECORD_BYTES,
            "log_level": 0,  # that the broker is away is what we wanted
        }
    )
    try:
        yield made
    finally:
        made.close()


def ends(settings: Settings, topic: Topic, limit_s: float = 300) -> dict[int, int]:
    """Partition → offset behind its last record; a broker that has just come back is asked again."""
    name, end = topic.full(settings.prefix), time.monotonic() + limit_s
    while True:
        try:
            with consumer(settings) as asking:  # a new one each time: it remembers that a topic was not there
                places = [TopicPartition(name, p) for p in range(topic.partition_count(settings.partitions))]
                return {tp.partition: asking.get_watermark_offsets(tp, ANSWER_S)[1] for tp in places}
        except KafkaException:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def committed(settings: Settings, agent: str, topic: Topic) -> dict[int, int]:
    """Partition → the agent's committed offset, 0 where there is none."""
    name = topic.full(settings.prefix)
    places = [TopicPartition(name, p) for p in range(topic.partition_count(settings.partitions))]
    with consumer(settings, f"{settings.prefix}{agent}") as asking:
        found = asking.committed(places, ANSWER_S)
    return {tp.partition: max(0, tp.offset) for tp in found}


def lag(settings: Settings, agent: str, topic: Topic) -> int:
    """Records that the agent has not acknowledged."""
    done = committed(settings, agent, topic)
    return sum(max(0, end - done[partition]) for partition, end in ends(settings, topic).items())


def read_all(settings: Settings, topic: Topic, take: Callable[[Record], Any]) -> None:
    """Hand every record that the topic holds now to `take`, each partition in offset order."""
    name = topic.full(settings.prefix)
    with consumer(settings) as reading:
        for partition in range(topic.partition_count(settings.partitions)):
            place = TopicPartition(name, partition)
            at, end = reading.get_watermark_offsets(place, ANSWER_S)
            reading.assign([TopicPartition(name, partition, at)])
            deadline = time.monotonic() + READ_S
            while at < end:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{name}[{partition}] was not read to its end within {READ_S:g} s")
                for record in records_of(reading.consume(AT_ONCE, 1.0)):
                    at = record.offset + 1
                    take(record)
                at = max(at, reading.position([place])[0].offset)  # past what was compacted away
