"""Reading every topic from its start to its present end, and checking each message against the contract."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer

from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES, Topic
from streams.kafka.command_reader import records
from streams.kafka.security import kafka_python_options
from streams.operations.contract.facts import Breach, Facts
from streams.operations.contract.rules import RULES, check

SHOWN = 20  # breaches of a topic that are told; all are counted


def run(settings: Settings) -> Iterator[dict[str, Any]]:
    """Check topic after topic: its name, records, breaches and the first of them in words."""
    with _consumer(settings) as consumer:
        counts = {topic: len(consumer.partitions_for_topic(topic.full(settings.prefix)) or ()) for topic in RULES}
        facts = Facts(settings, counts)
        for topic in RULES:
            count = Count(records(consumer, topic.full(settings.prefix)))
            yield _told(topic, count, check(topic, count, facts), facts)


class Count:
    """Records, counted as they pass."""

    def __init__(self, records: Iterator[Any]) -> None:
        self.passed = 0
        self._records = records

    def __iter__(self) -> Iterator[Any]:
        for record in self._records:
            self.passed += 1
            yield record


def _consumer(settings: Settings) -> Any:
    return closing(
        KafkaConsumer(
            **kafka_python_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )
    )


def _told(topic: Topic, count: Count, breaches: Iterator[Breach], facts: Facts) -> dict[str, Any]:
    found, first = 0, []
    for one in breaches:
        found += 1
        if found <= SHOWN:
            first.append(one)
    told: dict[str, Any] = {"topic": facts.full(topic), "records": count.passed, "breaches": found}
    if topic.name.startswith("recommendations"):
        told["repeats"] = facts.repeats
    return told | {"first": [one._asdict() for one in first]}
