"""The dead letters on their topic: read, chosen, counted, and told apart from those that were dealt with."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from schemas.messages.dead_letters import KEPT, attempts_of
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS
from streams.dead_letters.handled import Place, handled_places
from streams.kafka.command_reader import CommandReader, command_reader
from streams.kafka.records import Record


class StoredDeadLetter(NamedTuple):
    """A dead letter as its topic holds it: where it lies, what it was and why it could not be used."""

    partition: int  # of the dead letter itself, as is the offset
    offset: int
    written_ms: int
    reason: str
    detail: str
    topic: str
    place: str  # partition and offset of the original
    attempts: int
    key: bytes | None
    value: bytes
    kept: tuple[tuple[str, bytes], ...]  # headers of the original without which the value reads differently

    @property
    def at(self) -> Place:
        """What no other dead letter has, whatever became of the topic."""
        return self.partition, self.offset, self.written_ms


@dataclass(frozen=True)
class Choice:
    """Which dead letters: of a reason, from topics, written from a time on and before another, at places; None: all."""

    reason: str | None = None
    topics: frozenset[str] | None = None  # names on the broker
    from_ms: int | None = None
    until_ms: int | None = None
    places: frozenset[Place] | None = None

    def takes(self, one: StoredDeadLetter) -> bool:
        """Whether a dead letter is among them."""
        return (
            self.reason in (None, one.reason)
            and (self.topics is None or one.topic in self.topics)
            and (self.places is None or one.at in self.places)
            and (self.from_ms is None or one.written_ms >= self.from_ms)
            and (self.until_ms is None or one.written_ms < self.until_ms)
        )


EVERY = Choice()


@dataclass
class DeadLetterGroup:
    """Dead letters of one reason from one topic."""

    count: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0
    most_attempts: int = 0

    def add(self, dead_letter: StoredDeadLetter) -> None:
        """Count one more."""
        self.oldest_ms = min(self.oldest_ms, dead_letter.written_ms) if self.count else dead_letter.written_ms
        self.newest_ms = max(self.newest_ms, dead_letter.written_ms)
        self.most_attempts = max(self.most_attempts, dead_letter.attempts)
        self.count += 1


def groups(dead_letters: Iterable[StoredDeadLetter]) -> dict[tuple[str, str], DeadLetterGroup]:
    """Count dead letters by reason and topic, the most first."""
    found: dict[tuple[str, str], DeadLetterGroup] = {}
    for dead_letter in dead_letters:
        found.setdefault((dead_letter.reason, dead_letter.topic), DeadLetterGroup()).add(dead_letter)
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def newest(dead_letters: Iterable[StoredDeadLetter], limit: int) -> list[StoredDeadLetter]:
    """The last so many by the time at which they were written, oldest first."""
    last: dict[int, deque[StoredDeadLetter]] = {}
    for dead_letter in dead_letters:
        last.setdefault(dead_letter.partition, deque(maxlen=limit)).append(dead_letter)  # partitions are in order
    return sorted((one for some in last.values() for one in some), key=lambda one: one.written_ms)[-limit:]


def stored_dead_letters(
    settings: Settings, choice: Choice = EVERY, *, with_handled: bool = False
) -> Iterator[StoredDeadLetter]:
    """The dead letters of a choice up to the present end, without those that were dealt with unless they are wanted."""
    with command_reader(settings) as reader:
        done = frozenset[Place]() if with_handled else handled_places(reader, settings.prefix)
        for dead_letter in read_all(reader, settings.prefix):
            if choice.takes(dead_letter) and dead_letter.at not in done:
                yield dead_letter


def read_all(reader: CommandReader, prefix: str) -> Iterator[StoredDeadLetter]:
    """Every dead letter up to the present end; OperatorError where their topic is missing."""
    topic = DEAD_LETTERS.full(prefix)
    reader.require_partitions(topic)
    return map(from_record, reader.records(topic))


def from_record(record: Record) -> StoredDeadLetter:
    """Read a record of the dead letters' topic, whatever it holds."""
    headers = {name: value for name, value in record.headers if value is not None}
    texts = {name: value.decode("utf-8", "replace") for name, value in headers.items()}
    return StoredDeadLetter(
        partition=record.partition,
        offset=record.offset,
        written_ms=record.timestamp,
        reason=texts.get("reason", "?"),
        detail=texts.get("detail", ""),
        topic=texts.get("topic", "?"),
        place=f"[{texts.get('partition', '?')}]@{texts.get('offset', '?')}",
        attempts=attempts_of(headers.get("attempts", b"")),
        key=record.key,
        value=record.value or b"",
        kept=tuple((name, headers[name]) for name in KEPT if name in headers),
    )
