"""Dead letters as they lie on their topic: read, counted, shown, and sent back to where they came from."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from schemas.messages.dead_letters import ATTEMPTS, KEPT, LETTER_BYTES, attempts_of
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, MAX_RECORD_BYTES, TOPICS
from streams.errors import OperatorError
from streams.kafka.command_reader import records
from streams.kafka.security import kafka_python_options, wait_for_authenticated_broker

AT_ONCE = 500  # letters between two confirmed sends
CONFIRM_S = 130.0  # the producer itself gives up after 120 s
READ_BY_US = frozenset(topic.name for topic in TOPICS if topic is not DEAD_LETTERS)


class Letter(NamedTuple):
    """A dead letter: where it lies, what it was and why it is dead."""

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

    def add(self, letter: Letter) -> None:
        """Count one more."""
        self.oldest_ms = min(self.oldest_ms, letter.written_ms) if self.count else letter.written_ms
        self.newest_ms = max(self.newest_ms, letter.written_ms)
        self.most_attempts = max(self.most_attempts, letter.attempts)
        self.count += 1


@dataclass
class Replayed:
    """What a replay sent by topic, and why it left letters out."""

    sent: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def groups(letters: Iterable[Letter]) -> dict[tuple[str, str], DeadLetterGroup]:
    """Count letters by reason and topic, the most first."""
    found: dict[tuple[str, str], DeadLetterGroup] = {}
    for letter in letters:
        found.setdefault((letter.reason, letter.topic), DeadLetterGroup()).add(letter)
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def newest(letters: Iterable[Letter], limit: int) -> list[Letter]:
    """The last so many by the time at which they were written, oldest first."""
    kept: dict[int, deque[Letter]] = {}
    for letter in letters:
        kept.setdefault(letter.partition, deque(maxlen=limit)).append(letter)  # in a partition they come in order
    return sorted((letter for some in kept.values() for letter in some), key=lambda one: one.written_ms)[-limit:]


def letters(settings: Settings, reason: str | None = None) -> Iterator[Letter]:
    """Every dead letter up to the present end, of one reason or of all."""
    wait_for_authenticated_broker(settings, lambda _: None)
    consumer = _consumer(settings)
    try:
        for letter in _read(consumer, settings, {}):
            if reason in (None, letter.reason):
                yield letter
    finally:
        consumer.close()


def replay(settings: Settings, reason: str, dry_run: bool) -> Replayed:
    """Send the letters of a reason to their topics again, each once: how far it came is kept as a group's offsets.

    With `dry_run` nothing is sent and nothing is kept. Raises OperatorError where the broker does not take one.
    """
    wait_for_authenticated_broker(settings, lambda _: None)
    consumer = _consumer(settings, group_id=f"{settings.prefix}dlq-replay-{reason}")
    producer = None if dry_run else _producer(settings)
    done = Replayed()
    try:
        starts = _starts(consumer, settings)
        batch: list[Letter] = []
        for letter in _read(consumer, settings, starts):
            if letter.reason == reason:
                batch.append(letter)
            if len(batch) == AT_ONCE:
                _send(batch, settings, producer, consumer, done)
                batch = []
        _send(batch, settings, producer, consumer, done)
    finally:
        consumer.close()
        if producer:
            producer.close(timeout=5)
    return done


def why_not(letter: Letter, prefix: str) -> str | None:
    """Why a letter cannot be sent again, or None."""
    if len(letter.value) >= LETTER_BYTES or len(letter.key or b"") >= LETTER_BYTES:
        return f"cut at {LETTER_BYTES} bytes"
    if not letter.value:
        return "nothing was kept of it"
    if letter.topic.removeprefix(prefix) not in READ_BY_US or not letter.topic.startswith(prefix):
        return "its topic is none of ours"
    return None


def _send(batch: list[Letter], settings: Settings, producer: Any, consumer: KafkaConsumer, done: Replayed) -> None:
    waiting = []
    for letter in batch:
        if reason := why_not(letter, settings.prefix):
            done.left_out[reason] += 1
            continue
        done.sent[letter.topic] += 1
        if producer:
            headers = [*letter.kept, (ATTEMPTS, str(letter.attempts + 1).encode())]
            waiting.append(producer.send(letter.topic, letter.value, letter.key, headers=headers))
    try:
        for sent in waiting:
            sent.get(CONFIRM_S)
    except KafkaError as error:
        raise OperatorError(f"A letter was not taken again: {error}.", "Nothing is lost; replay again.") from error
    if producer and batch:
        ends = {TopicPartition(DEAD_LETTERS.full(settings.prefix), one.partition): one.offset + 1 for one in batch}
        consumer.commit({place: OffsetAndMetadata(end, "", -1) for place, end in ends.items()})


def _read(consumer: KafkaConsumer, settings: Settings, starts: Mapping[TopicPartition, int]) -> Iterator[Letter]:
    topic = DEAD_LETTERS.full(settings.prefix)
    if not consumer.partitions_for_topic(topic):
        raise OperatorError(f"There is no topic {topic}.", "`freshet topics apply` creates it.")
    return map(_letter, records(consumer, topic, starts))


def _starts(consumer: KafkaConsumer, settings: Settings) -> dict[TopicPartition, int]:
    """How far the last replay of this reason came."""
    topic = DEAD_LETTERS.full(settings.prefix)
    places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    return {place: offset for place in places if (offset := consumer.committed(place)) is not None}


def _letter(record: Any) -> Letter:
    headers = {name: value for name, value in record.headers if value is not None}
    words = {name: value.decode("utf-8", "replace") for name, value in headers.items()}
    return Letter(
        partition=record.partition,
        offset=record.offset,
        written_ms=record.timestamp,
        reason=words.get("reason", "?"),
        detail=words.get("detail", ""),
        topic=words.get("topic", "?"),
        place=f"[{words.get('partition', '?')}]@{words.get('offset', '?')}",
        attempts=attempts_of(headers.get("attempts", b"")),
        key=record.key,
        value=record.value or b"",
        kept=tuple((name, headers[name]) for name in KEPT if name in headers),
    )


def _consumer(settings: Settings, group_id: str | None = None) -> KafkaConsumer:
    return KafkaConsumer(
        **kafka_python_options(settings),
        group_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
    )


def _producer(settings: Settings) -> KafkaProducer:
    return KafkaProducer(
        **kafka_python_options(settings), max_request_size=MAX_RECORD_BYTES, allow_auto_create_topics=False
    )
