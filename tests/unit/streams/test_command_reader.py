"""Reading for a command: up to the end and no further, and a reason where the broker refuses or falls silent."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka import command_reader
from streams.kafka.command_reader import CommandReader
from streams.kafka.reader import fetch_between

TOPIC = "a.topic"


class Message:
    """A message, or the end of a partition, as the client hands it out."""

    def __init__(self, partition: int, offset: int, error: KafkaError | None = None) -> None:
        self._partition, self._offset, self._error = partition, offset, error

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error


class Log:
    """A consumer of one topic: per partition the offsets that compaction left, handed out two at a time."""

    def __init__(self, offsets: Mapping[int, list[int]], ends: Mapping[int, int]) -> None:
        self.offsets, self.ends = offsets, ends
        self.at: dict[int, int] = {}
        self.refuses: KafkaError | None = None

    def assign(self, places: list[TopicPartition]) -> None:
        self.at = {place.partition: place.offset for place in places}

    def consume(self, _: int, __: float) -> list[Any]:
        found: list[Any] = []
        for partition, at in self.at.items():
            some = [offset for offset in self.offsets[partition] if offset >= at][:2]
            found += [Message(partition, offset) for offset in some]
            if not some and at < self.ends[partition]:
                found.append(Message(partition, -1001, KafkaError(KafkaError._PARTITION_EOF)))
            self.at[partition] = some[-1] + 1 if some else at
        return found

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, self.at[place.partition]) for place in places]

    def list_topics(self, topic: str, _: float) -> Any:
        if self.refuses and self.refuses.code() == KafkaError._TRANSPORT:
            raise KafkaException(self.refuses)
        partitions = {} if self.refuses else dict.fromkeys(self.offsets)
        return SimpleNamespace(topics={topic: SimpleNamespace(error=self.refuses, partitions=partitions)})

    def get_watermark_offsets(self, place: TopicPartition, _: float) -> tuple[int, int]:
        return 0, self.ends[place.partition]


def reader(log: Any) -> CommandReader:
    return CommandReader(Settings(), None, log)


def offsets_between(log: Log, starts: dict[int, int], ends: dict[int, int]) -> list[tuple[int, int]]:
    batches = fetch_between(Settings(), log, TOPIC, starts, ends)  # type: ignore[arg-type]  # a log is a consumer to it
    return [(message.partition(), message.offset()) for batch in batches for message in batch]


def test_a_topic_is_read_up_to_the_end_that_it_had_and_no_further() -> None:
    log = Log({0: [0, 1, 2, 3, 4]}, {0: 5})
    assert offsets_between(log, {0: 1}, {0: 4}) == [(0, 1), (0, 2), (0, 3)]


def test_what_compaction_took_from_the_end_is_not_waited_for() -> None:
    log = Log({0: [0, 2], 1: []}, {0: 9, 1: 4})
    assert sorted(offsets_between(log, {0: 0, 1: 0}, {0: 9, 1: 4})) == [(0, 0), (0, 2)]


def test_a_partition_that_holds_nothing_new_is_not_read() -> None:
    log = Log({0: [0, 1]}, {0: 2})
    assert offsets_between(log, {0: 2}, {0: 2}) == [] and log.at == {}


def test_a_broker_that_falls_silent_ends_the_command_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Log):
        def consume(self, _: int, __: float) -> list[Any]:
            return []

    log = Silent({0: [0]}, {0: 1})
    monkeypatch.setattr("streams.kafka.reader.pass_stalled", lambda *_: None)  # which asks the broker itself
    monkeypatch.setattr(command_reader, "groupless", lambda *_: _With(log))
    with pytest.raises(OperatorError, match=r"a\.topic: the broker delivers nothing more, short of the end"):
        list(reader(log).records(TOPIC))


class _With:
    def __init__(self, value: Any) -> None:
        self._value = value

    def __enter__(self) -> Any:
        return self._value

    def __exit__(self, *_: object) -> None: ...


def test_a_topic_that_is_missing_has_no_partition_and_can_be_required() -> None:
    log = Log({0: []}, {0: 0})
    log.refuses = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert reader(log).partitions(TOPIC) == []
    with pytest.raises(OperatorError, match=r"There is no topic a\.topic\. Name the --prefix in use"):
        reader(log).require_partitions(TOPIC)


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._TRANSPORT])
def test_a_refusal_ends_the_command_with_the_topic_and_the_reason(code: int) -> None:
    log = Log({0: []}, {0: 0})
    log.refuses = KafkaError(code)
    with pytest.raises(OperatorError) as caught:
        reader(log).partitions(TOPIC)
    assert caught.value.cause == f"{TOPIC}: {log.refuses.str()}."
    assert "rights" in caught.value.remedy
