"""A peer: a plain loop over confluent-kafka, which is librdkafka; without recovery or dead letters.

Each person's newest state goes out once a fetch. Offsets are stored for the commit only after the broker has
confirmed all that the fetch caused; librdkafka commits what is stored once a second.
"""

import sys
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tests.bench.work import WORKS, Work

GROUP = "bare-"
POLL_RECORDS = 20_000  # as poll_records has it
GATHER_S = 0.005  # least time between two fetches, or live each event has a flush of its own
IDLE_S = 1.0
FLUSH_S = 60.0

Read = tuple[bytes, bytes, str, int, int]  # key, value, topic, partition, offset


def follow(bootstrap: str, source: str, changelog: str, work: Work) -> None:
    """Fetch, fold, send, commit, until the process is ended."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": GROUP + source,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,  # which means acks=all
            "linger.ms": 0,  # as the flush below would have it anyway
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    consumer.subscribe([source])
    states: dict[bytes, Any] = {}
    while True:
        if (first := consumer.poll(IDLE_S)) is not None:
            records = [first, *consumer.consume(POLL_RECORDS - 1, GATHER_S)]
            _take(records, states, producer, changelog, work)
            consumer.store_offsets(offsets=_behind(records))


def _take(records: list[Message], states: dict[bytes, Any], producer: Producer, changelog: str, work: Work) -> None:
    """Fold, send, and wait for the broker's word on each state."""
    for record in records:
        if record.error():
            raise KafkaException(record.error())
    by_partition: dict[int, list[Read]] = {}
    for one in records:
        read = (one.key(), one.value(), one.topic(), one.partition(), one.offset())
        by_partition.setdefault(read[3], []).append(read)
    for partition, reads in by_partition.items():
        for key, state in changed_by(states, reads, work).items():
            producer.produce(changelog, work.pack(state), key, partition, _heard)
    if left := producer.flush(FLUSH_S):
        raise RuntimeError(f"{left} states were not confirmed within {FLUSH_S:g} s; end the run, the broker is stuck")


def _heard(error: Any, _: Message) -> None:
    if error is not None:
        raise KafkaException(error)


def _behind(records: list[Message]) -> list[TopicPartition]:
    """Where to read on, by partition."""
    ends = {(one.topic(), one.partition()): one.offset() + 1 for one in records}
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]


def changed_by(states: dict[bytes, Any], reads: Iterable[Read], work: Work) -> dict[bytes, Any]:
    """Apply records of one partition; gives each person's newest state, in order of first change."""
    changed: dict[bytes, Any] = {}
    for key, value, topic, partition, offset in reads:
        after = work.apply(states.get(key), value, topic, partition, offset)
        if after is not None:
            states[key] = changed[key] = after
    return changed


if __name__ == "__main__":
    _, address, topic, output, name = sys.argv
    follow(address, topic, output, WORKS[name])
