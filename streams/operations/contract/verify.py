"""Every topic read from its start to its present end, and each message checked against the contract."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.kafka.command_reader import command_reader
from streams.kafka.records import Record
from streams.operations.contract.facts import Breach, Facts
from streams.operations.contract.rules import RULES, check

SHOWN = 20  # breaches of a topic that are reported in words; all are counted


class Verified(NamedTuple):
    """What was found on one topic."""

    topic: str
    records: int
    breaches: int
    first: list[Breach]
    repeats: int | None = None  # slates that were published again with their version, as they may after a crash

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        counts: dict[str, object] = {"topic": self.topic, "records": self.records, "breaches": self.breaches}
        if self.repeats is not None:
            counts["repeats"] = self.repeats
        return counts | {"first": [breach._asdict() for breach in self.first]}


def verify(settings: Settings) -> Iterator[Verified]:
    """Check topic after topic."""
    with command_reader(settings) as reader:
        partitions = {topic: len(reader.require_partitions(topic.full(settings.prefix))) for topic in RULES}
        facts = Facts(settings, partitions)
        for topic in RULES:
            yield _verify_topic(topic, CountedRecords(reader.records(facts.full(topic))), facts)


class CountedRecords:
    """Records, counted as they are read."""

    def __init__(self, records: Iterator[Record]) -> None:
        self.count = 0
        self._records = records

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.count += 1
            yield record


def _verify_topic(topic: Topic, records: CountedRecords, facts: Facts) -> Verified:
    first: list[Breach] = []
    breaches = 0
    for breach in check(topic, records, facts):
        breaches += 1
        if breaches <= SHOWN:
            first.append(breach)
    repeats = facts.repeats if topic.name.startswith("recommendations") else None
    return Verified(facts.full(topic), records.count, breaches, first, repeats)
