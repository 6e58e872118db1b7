"""The floor of event → slate: a plain loop over confluent-kafka that passes on where each person's newest event lies.

Two of them in a row stand where profiles agent and ranking agent stand. They fold nothing and rank nothing; they fetch,
send, wait for the broker's word and let offsets be committed, as the agents do.
"""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from schemas.messages.recommendations import Trigger
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, PROFILES, RECOMMENDATIONS, Topic

POLL_RECORDS = 20_000  # as poll_records has it
GATHER_S = 0.005
IDLE_S = 1.0
FLUSH_S = 60.0
STAGES: dict[str, tuple[Topic, Topic]] = {"first": (FEEDBACK, PROFILES), "second": (PROFILES, RECOMMENDATIONS)}


def commands(settings: Settings) -> dict[str, Sequence[str]]:
    """The command of each loop by its name."""
    module = [sys.executable, "-m", "tests.bench.bare_relay"]
    return {
        f"{name} bare loop": [*module, settings.bootstrap, *(topic.full(settings.prefix) for topic in stage), name]
        for name, stage in STAGES.items()
    }


def relay(bootstrap: str, source: str, target: str, name: str) -> None:
    """Pass on each person's newest record once a fetch, until the process is ended."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"bare-{source}",
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1000,
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0})
    value_of = _trigger if name == "first" else Message.value
    consumer.subscribe([source])
    while True:
        if (first := consumer.poll(IDLE_S)) is None:
            continue
        records = [first, *consumer.consume(POLL_RECORDS - 1, GATHER_S)]
        newest = {(one.partition(), one.key()): one for one in records if _is_record(one)}
        for (partition, key), one in newest.items():
            producer.produce(target, value_of(one), key, partition, _heard)
        if left := producer.flush(FLUSH_S):
            raise RuntimeError(f"{left} records were not confirmed within {FLUSH_S:g} s; end the run")
        ends = {(one.topic(), one.partition()): one.offset() + 1 for one in records}
        consumer.store_offsets(offsets=[TopicPartition(*place, offset) for place, offset in ends.items()])


def _trigger(record: Message) -> bytes:
    trigger = Trigger(None, record.topic() or "", record.partition() or 0, record.offset() or 0, record.timestamp()[1])
    return msgspec.json.encode({"trigger": trigger})


def _is_record(message: Message) -> bool:
    if (error := message.error()) is not None:
        raise KafkaException(error)
    return True


def _heard(error: Any, _: Message) -> None:
    if error is not None:
        raise KafkaException(error)


if __name__ == "__main__":
    relay(*sys.argv[1:])
