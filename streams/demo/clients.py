"""The demo's two ends, both kafka-python: a producer whose every send is confirmed, and a consumer that follows."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from schemas.messages import videos
from schemas.messages.recommendations import Trigger
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEATURES, MAX_RECORD_BYTES, RECOMMENDATIONS
from streams.errors import OperatorError
from streams.kafka.security import kafka_python_options
from streams.logs.jsonl import Line

UNCONFIRMED = 2000  # a guess: enough to keep the producer's batches full
CONFIRM_S = 60.0
POLL_MS = 10  # a poll that waits longer was seen to hold records back for as long
JOIN_S = 1.0


class Sent(NamedTuple):
    """A line that the broker has confirmed; `at_s` is the monotonic clock just before it was handed over."""

    line: Line
    partition: int
    offset: int
    at_s: float


class Publisher:
    """Sends lines and writes them down, in the same order: the file is the log of all that was published."""

    def __init__(self, settings: Settings, file: Path) -> None:
        self.file = file
        self._prefix = settings.prefix
        self._out: IO[bytes] = file.open("wb")
        self._producer = KafkaProducer(
            **kafka_python_options(settings),
            acks="all",
            linger_ms=0,
            max_request_size=MAX_RECORD_BYTES,
            allow_auto_create_topics=False,
        )

    def send(self, lines: Iterable[Line]) -> Iterator[Sent]:
        """Send all, and give each once it is confirmed; raises OperatorError at the first that is not."""
        waiting: deque[tuple[Line, float, Any]] = deque()
        for line in lines:
            self._out.write(line.value + b"\n")
            at_s = time.monotonic()
            waiting.append((line, at_s, self._producer.send(line.topic.full(self._prefix), line.value, key=line.key)))
            if len(waiting) > UNCONFIRMED:
                yield _confirmed(*waiting.popleft())
        self._producer.flush()
        self._out.flush()
        while waiting:
            yield _confirmed(*waiting.popleft())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._producer.close(timeout=1)
        self._out.close()


def _confirmed(line: Line, at_s: float, outcome: Any) -> Sent:
    try:
        place = outcome.get(timeout=CONFIRM_S)
    except KafkaError as error:
        cause = f"A {line.kind} was not confirmed by the broker: {error}."
        raise OperatorError(cause, "Look at the broker's log and start again.") from error
    return Sent(line, place.partition, place.offset, at_s)


class Arrival(NamedTuple):
    """A slate as it arrived; `at_s` is the monotonic clock right after the fetch that brought it."""

    user_id: str
    version: int
    trigger: Trigger
    value: bytes
    at_s: float


class _Head(msgspec.Struct):
    """What of a slate is read at once; its items are read when they are shown."""

    user_id: str
    version: int
    trigger: Trigger


_head = msgspec.json.Decoder(_Head).decode


class Follower(Thread):
    """Follows slates, features and dead letters from the start; what it holds may be read at any time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="follower", daemon=True)
        self.newest: dict[str, Arrival] = {}  # by person, highest version
        self.slates: list[tuple[str, int, float]] = []  # person, trigger offset, at_s: as they arrived
        self.described: dict[str, float] = {}  # video → at_s of its newest features
        self.letters: Counter[str] = Counter()  # dead letters by reason
        self._fault: Exception | None = None
        self._end = Event()
        self._take: dict[str, Callable[[Any, float], None]] = {
            RECOMMENDATIONS.full(settings.prefix): self._slate,
            FEATURES.full(settings.prefix): self._features,
            DEAD_LETTERS.full(settings.prefix): self._letter,
        }
        self._consumer = KafkaConsumer(
            **kafka_python_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )

    def check(self) -> None:
        """Raise what ended it early."""
        if self._fault:
            raise OperatorError(f"Reading the answers failed: {self._fault}.", "Start again.") from self._fault

    def run(self) -> None:
        """Read until `end`."""
        try:
            numbers = {topic: sorted(self._consumer.partitions_for_topic(topic) or ()) for topic in self._take}
            self._consumer.assign([TopicPartition(topic, number) for topic in numbers for number in numbers[topic]])
            while not self._end.is_set():
                polled = self._consumer.poll(timeout_ms=POLL_MS)
                at_s = time.monotonic()
                for place, records in polled.items():
                    for record in records:
                        self._take[place.topic](record, at_s)
        except Exception as error:  # told by `check` in the thread that waits
            self._fault = error
        finally:
            self._consumer.close()

    def end(self) -> None:
        """Stop reading."""
        self._end.set()
        self.join(JOIN_S)

    def _slate(self, record: Any, at_s: float) -> None:
        if record.value is None:
            return
        head = _head(record.value)
        self.slates.append((head.user_id, head.trigger.offset, at_s))
        known = self.newest.get(head.user_id)
        if known is None or head.version >= known.version:
            self.newest[head.user_id] = Arrival(head.user_id, head.version, head.trigger, record.value, at_s)

    def _features(self, record: Any, at_s: float) -> None:
        if record.value is not None:
            self.described[videos.decode_features(record.value).video_id] = at_s

    def _letter(self, record: Any, at_s: float) -> None:
        self.letters[dict(record.headers).get("reason", b"unknown").decode()] += 1


@contextmanager
def following(settings: Settings) -> Iterator[Follower]:
    """A follower for the time of a `with`."""
    follower = Follower(settings)
    follower.start()
    try:
        yield follower
    finally:
        follower.end()
