"""The load generator and its ledger: every event and withdrawal that the broker has confirmed, one JSON line each."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Producer

from schemas.messages import feedback, videos
from schemas.messages.feedback import Like, Skip, Watch
from schemas.messages.fields import DAY_MS
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, UPLOADS, Topic
from streams.kafka.records import partition_of
from tests.support.events import encoded, uploaded, withdrawn, withdrew

PEOPLE, VIDEOS = 120, 1200  # more videos than the 512 that are remembered as seen: there is always something to show
TICK_S = 0.01
DURATION_MS = 20_000


class Sent(NamedTuple):
    """A line of the ledger: what the broker has confirmed, and where and when."""

    kind: str  # "event" or "withdrawal"
    name: str  # event id or video id
    key: str
    partition: int
    offset: int
    sent_s: float  # wall clock
    confirmed_s: float


class Message(NamedTuple):
    """One record to be sent."""

    topic: Topic
    key: str
    value: bytes
    name: str
    headers: Sequence[tuple[str, bytes]] = ()


Maker = Callable[[int, random.Random, int], Iterable[Message]]  # number, chance, now_ms


def video_of(number: int) -> str:
    """Id of a video."""
    return f"video-{number:05}"


def person_of(number: int) -> str:
    """Id of a person."""
    return f"person-{number:03}"


def plain(number: int, chance: random.Random, now_ms: int) -> Iterator[Message]:
    """One event: two thirds watches, the rest likes and skips."""
    user, video = person_of(chance.randrange(PEOPLE)), video_of(chance.randrange(VIDEOS))
    common: dict[str, Any] = {"user_id": user, "video_id": video, "at_ms": now_ms, "event_id": f"e-{number}"}
    kind = chance.choice((Watch, Watch, Watch, Watch, Like, Skip))
    event = (
        Watch(**common, watched_ms=chance.randrange(25_000), duration_ms=DURATION_MS)
        if kind is Watch
        else kind(**common)
    )
    yield Message(FEEDBACK, user, feedback.encode(event), f"e-{number}")


class Load:
    """Sends so many events a second until it is stopped; twice a second a video is withdrawn and another uploaded."""

    def __init__(
        self, settings: Settings, ledger: Path, rate: float, seed: int, make: Maker = plain, encoder: bool = False
    ) -> None:
        self.settings, self.rate, self.ledger = settings, rate, ledger
        self.sent = 0
        self.failed: list[str] = []
        self._make, self._chance, self._encoder = make, random.Random(seed), encoder
        self._shown = [video_of(number) for number in range(VIDEOS)]
        self._uploaded = VIDEOS
        self._file = ledger.open("ab")
        self._stop = threading.Event()
        self._producer = producer(settings)
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and return when all is confirmed."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(120)
        self._file.close()
        if self.failed:
            raise RuntimeError(f"{len(self.failed)} sends were not confirmed, the first: {self.failed[0]}")

    def _run(self) -> None:
        began, swaps = time.monotonic(), 0
        while not self._stop.wait(TICK_S):
            spent = time.monotonic() - began
            while self.sent < spent * self.rate:
                for message in self._make(self.sent, self._chance, int(time.time() * 1000)):
                    self._send(message, "event")
                self.sent += 1
            while swaps < 2 * spent:
                self._swap()
                swaps += 1
            self._producer.poll(0)

    def _swap(self) -> None:
        """Withdraw a video, upload another."""
        place, now_ms = self._chance.randrange(len(self._shown)), int(time.time() * 1000)
        gone, new = self._shown[place], video_of(self._uploaded)
        self._shown[place], self._uploaded = new, self._uploaded + 1
        for name, message, kind in (
            (gone, withdrew(gone, now_ms) if self._encoder else withdrawn(gone, now_ms), "withdrawal"),
            (new, uploaded(new, now_ms) if self._encoder else encoded(new, now_ms), "upload"),
        ):
            topic = UPLOADS if self._encoder else FEATURES
            self._send(Message(topic, name, videos.encode(message), name), kind)

    def _send(self, message: Message, kind: str) -> None:
        sent_s = time.time()

        def confirmed(error: Any, record: Any) -> None:
            if error is not None:
                self.failed.append(f"{message.name}: {error}")
                return
            line = Sent(kind, message.name, message.key, record.partition(), record.offset(), sent_s, time.time())
            self._file.write(msgspec.json.encode(line) + b"\n")

        produce(self._producer, self.settings, message, confirmed)


def produce(to: Producer, settings: Settings, message: Message, confirmed: Callable[..., None] | None = None) -> None:
    """Send one message to its key's partition."""
    to.produce(
        message.topic.full(settings.prefix),
        message.value,
        message.key,
        partition_of(message.key.encode(), settings.partitions),
        confirmed,
        headers=list(message.headers),
    )


def producer(settings: Settings) -> Producer:
    """A producer whose every send is confirmed, in order, however often it has to try."""
    return Producer(
        {
            "bootstrap.servers": settings.bootstrap,
            "enable.idempotence": True,
            "message.timeout.ms": 300_000,
            "linger.ms": 2,
            "log_level": 0,  # that the broker is away is what we wanted
        }
    )


def fill(settings: Settings, count: int = VIDEOS) -> None:
    """Publish the first videos as if they were encoded already, one uploaded every second of some hour of today."""
    first_ms, to = int(time.time() * 1000) - DAY_MS // 2, producer(settings)
    for number in range(count):
        made = encoded(video_of(number), first_ms + number * 1000)
        produce(to, settings, Message(FEATURES, made.video_id, videos.encode(made), made.video_id))
    to.flush(60)


def read_ledger(file: Path) -> list[Sent]:
    """All lines of a ledger."""
    decode = msgspec.json.Decoder(Sent).decode
    return [decode(line) for line in file.read_bytes().splitlines()]
