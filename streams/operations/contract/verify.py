"""Every topic read from its start to its present end, and each message checked against the contract."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.kafka.command_reader import CommandReader, command_reader
from streams.kafka.records import Record
from streams.operations.contract.facts import Breach, Facts, Partition
from streams.operations.contract.rules import RULES, check

SHOWN = 20  # breaches of a topic that are reported in words; all are counted


class Verified(NamedTuple):
    """What was found on one topic."""

    topic: str
    records: int
    breaches: int
    first: list[Breach]
    not_judged: int = 0  # messages that could only be judged by records that were deleted since
    repeats: int | None = None  # slates that were published again with their version, as they may after a crash

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        counts: dict[str, object] = {"topic": self.topic, "records": self.records, "breaches": self.breaches}
        counts["not_judged"] = self.not_judged
        if self.repeats is not None:
            counts["repeats"] = self.repeats
        return counts | {"first": [breach._asdict() for breach in self.first]}


def verify(settings: Settings) -> Iterator[Verified]:
    """Check topic after topic."""
    with command_reader(settings) as reader:
        partitions = {topic: len(reader.require_partitions(topic.full(settings.prefix))) for topic in RULES}
        facts = Facts(settings, partitions, starts=_starts(reader, settings))
        for topic in RULES:
            yield _verify_topic(topic, CountedRecords(reader.records(facts.full(topic))), facts)


def _starts(reader: CommandReader, settings: Settings) -> dict[Partition, int]:
    """Where each partition's log begins: of one whose records were all deleted no record says so."""
    names = [topic.full(settings.prefix) for topic in RULES if topic.cleanup == "delete"]
    return {(name, partition): start for name in names for partition, (start, _) in reader.bounds(name).items()}


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
    breaches = facts.not_judged = 0
    for breach in check(topic, records, facts):
        breaches += 1
        if breaches <= SHOWN:
            first.append(breach)
    repeats = facts.repeats if topic.name.startswith("recommendations") else None
    return Verified(facts.full(topic), records.count, breaches, first, facts.not_judged, repeats)
