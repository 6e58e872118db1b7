"""The dead letters on their topic: read, counted, shown, and published again to the topics they came from."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from schemas.messages.dead_letters import ATTEMPTS, KEPT, LETTER_BYTES, attempts_of
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, TOPICS
from streams.kafka.command_publisher import CommandPublisher, command_publisher
from streams.kafka.command_reader import CommandReader, command_reader
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record

REPLAY_BATCH_SIZE = 500  # dead letters between two commits
DELIVERY_TIMEOUT_S = 120.0
READ_BY_US = frozenset(topic.name for topic in TOPICS if topic is not DEAD_LETTERS)


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


@dataclass
class Replayed:
    """How many dead letters a replay published by topic, and why it left others out."""

    sent: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


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


def stored_dead_letters(settings: Settings, reason: str | None = None) -> Iterator[StoredDeadLetter]:
    """Every dead letter up to the present end, of one reason or of all."""
    with command_reader(settings) as reader:
        for dead_letter in _read(reader, settings):
            if reason in (None, dead_letter.reason):
                yield dead_letter


def replay(settings: Settings, reason: str, dry_run: bool) -> Replayed:
    """Publish the dead letters of a reason to their topics again, each once: a consumer group's offsets keep how far.

    With `dry_run` nothing is published and nothing committed. Raises OperatorError where the broker refuses one.
    """
    done = Replayed()
    with ExitStack() as opened:
        group = {"group.id": f"{settings.prefix}dlq-replay-{reason}"}
        reader = opened.enter_context(command_reader(settings, group))
        dead_letters = (one for one in _read(reader, settings, from_committed=True) if one.reason == reason)
        if dry_run:
            publisher = None
        else:
            remedy = "Nothing is lost: run the replay again."
            publisher = opened.enter_context(command_publisher(settings, limit_s=DELIVERY_TIMEOUT_S, remedy=remedy))
        while batch := list(islice(dead_letters, REPLAY_BATCH_SIZE)):
            _replay_batch(batch, settings, reader, publisher, done)
    return done


def why_not_replayable(dead_letter: StoredDeadLetter, prefix: str) -> str | None:
    """Why a dead letter cannot be published again, or None."""
    if len(dead_letter.value) >= LETTER_BYTES or len(dead_letter.key or b"") >= LETTER_BYTES:
        return f"cut at {LETTER_BYTES} bytes"
    if not dead_letter.value:
        return "nothing was kept of it"
    if dead_letter.topic.removeprefix(prefix) not in READ_BY_US or not dead_letter.topic.startswith(prefix):
        return "its topic is not one of ours"
    return None


def _replay_batch(
    batch: list[StoredDeadLetter],
    settings: Settings,
    reader: CommandReader,
    publisher: CommandPublisher | None,
    done: Replayed,
) -> None:
    originals: dict[str, list[Outgoing]] = defaultdict(list)
    for one in batch:
        if why := why_not_replayable(one, settings.prefix):
            done.left_out[why] += 1
            continue
        headers = [*one.kept, (ATTEMPTS, str(one.attempts + 1).encode())]
        originals[one.topic].append(Outgoing(one.key, one.value, headers))
        done.sent[one.topic] += 1
    if publisher:
        for topic, records in originals.items():
            publisher.publish(topic, records)
        reader.commit(DEAD_LETTERS.full(settings.prefix), {one.partition: one.offset + 1 for one in batch})


def _read(reader: CommandReader, settings: Settings, from_committed: bool = False) -> Iterator[StoredDeadLetter]:
    topic = DEAD_LETTERS.full(settings.prefix)
    committed = {p: reader.committed(topic, p) if from_committed else None for p in reader.require_partitions(topic)}
    starts = {partition: offset for partition, offset in committed.items() if offset is not None}
    return map(from_record, reader.records(topic, starts))


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
