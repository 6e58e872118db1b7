"""The demo's two clients, both kafka-python: a producer whose every send is confirmed, and a consumer of the outputs.

They are what a user's own clients are: nothing here uses Freshet's Kafka layer but for the connection options.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import IO, NamedTuple, Protocol, Self

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

MAX_IN_FLIGHT = 2000  # lines; a guess: enough to keep the producer's batches full
DELIVERY_TIMEOUT_S = 60.0
POLL_INTERVAL_MS = 10  # a poll that waits longer was seen to hold records back for as long
JOIN_TIMEOUT_S = 1.0


class Place(Protocol):
    """Where a record was written: kafka-python's RecordMetadata."""

    partition: int
    offset: int


class Delivery(Protocol):
    """A send on its way: kafka-python's FutureRecordMetadata, which is not typed."""

    def get(self, timeout: float) -> Place: ...


class ConsumerRecord(Protocol):
    """What is read of kafka-python's ConsumerRecord, which is not typed."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Sent(NamedTuple):
    """A line that the broker has confirmed; `at_s` is the monotonic clock just before it was handed over."""

    line: Line
    partition: int
    offset: int
    at_s: float


class Publisher:
    """Sends lines and writes them to a file in the same order: it is the log of all that was published."""

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
        in_flight: deque[tuple[Line, float, Delivery]] = deque()
        for line in lines:
            self._out.write(line.value + b"\n")
            at_s = time.monotonic()
            delivery = self._producer.send(line.topic.full(self._prefix), line.value, key=line.key)
            in_flight.append((line, at_s, delivery))
            if len(in_flight) > MAX_IN_FLIGHT:
                yield _confirmed(*in_flight.popleft())
        self._producer.flush()
        self._out.flush()
        while in_flight:
            yield _confirmed(*in_flight.popleft())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._producer.close(timeout=1)
        self._out.close()


def _confirmed(line: Line, at_s: float, delivery: Delivery) -> Sent:
    try:
        place = delivery.get(timeout=DELIVERY_TIMEOUT_S)
    except KafkaError as error:
        cause = f"A {line.kind} was not confirmed by the broker: {error}."
        raise OperatorError(cause, "Look into the broker's log and start again.") from error
    return Sent(line, place.partition, place.offset, at_s)


class ReceivedSlate(NamedTuple):
    """A slate as it was received; `at_s` is the monotonic clock right after the fetch that brought it."""

    user_id: str
    version: int
    trigger: Trigger
    value: bytes
    at_s: float


class _Head(msgspec.Struct):
    """The part of a slate that is decoded at once; its items are decoded when they are shown."""

    user_id: str
    version: int
    trigger: Trigger


_head = msgspec.json.Decoder(_Head).decode


class OutputConsumer(Thread):
    """Consumes slates, features and dead letters from the start; what it holds may be read at any time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="output consumer", daemon=True)
        self.newest: dict[str, ReceivedSlate] = {}  # by person, highest version
        self.slates: list[tuple[str, int, float]] = []  # person, trigger offset, at_s: in the order of arrival
        self.embedded: dict[str, float] = {}  # video → at_s of its newest features
        self.dead_letters: Counter[str] = Counter()  # by reason
        self._fault: Exception | None = None
        self._stopped = Event()
        self._handlers: dict[str, Callable[[ConsumerRecord, float], None]] = {
            RECOMMENDATIONS.full(settings.prefix): self._on_slate,
            FEATURES.full(settings.prefix): self._on_features,
            DEAD_LETTERS.full(settings.prefix): self._on_dead_letter,
        }
        self._consumer = KafkaConsumer(
            **kafka_python_options(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )

    def check(self) -> None:
        """Raise the error that ended it early, if there was one."""
        if self._fault:
            raise OperatorError(f"Reading the outputs failed: {self._fault}.", "Start again.") from self._fault

    def run(self) -> None:
        """Consume until `stop`."""
        try:
            numbers = {topic: sorted(self._consumer.partitions_for_topic(topic) or ()) for topic in self._handlers}
            self._consumer.assign([TopicPartition(topic, number) for topic in numbers for number in numbers[topic]])
            while not self._stopped.is_set():
                polled = self._consumer.poll(timeout_ms=POLL_INTERVAL_MS)
                at_s = time.monotonic()
                for place, records in polled.items():
                    for record in records:
                        self._handlers[place.topic](record, at_s)
        except Exception as error:  # `check` raises it in the thread that waits
            self._fault = error
        finally:
            self._consumer.close()

    def stop(self) -> None:
        """Stop consuming."""
        self._stopped.set()
        self.join(JOIN_TIMEOUT_S)

    def _on_slate(self, record: ConsumerRecord, at_s: float) -> None:
        if record.value is None:
            return
        head = _head(record.value)
        self.slates.append((head.user_id, head.trigger.offset, at_s))
        known = self.newest.get(head.user_id)
        if known is None or head.version >= known.version:
            self.newest[head.user_id] = ReceivedSlate(head.user_id, head.version, head.trigger, record.value, at_s)

    def _on_features(self, record: ConsumerRecord, at_s: float) -> None:
        if record.value is not None:
            self.embedded[videos.decode_features(record.value).video_id] = at_s

    def _on_dead_letter(self, record: ConsumerRecord, at_s: float) -> None:
        self.dead_letters[dict(record.headers).get("reason", b"unknown").decode()] += 1


@contextmanager
def consuming_outputs(settings: Settings) -> Iterator[OutputConsumer]:
    """An output consumer for the time of a `with`."""
    consumer = OutputConsumer(settings)
    consumer.start()
    try:
        yield consumer
    finally:
        consumer.stop()
