"""What the demo measures from outside, live at a modest pace: event to slate, and upload to features."""

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np

from ranker.simulation.world import catalogue
from schemas.messages.feedback import Feedback, Watch
from schemas.messages.videos import Upload
from streams.demo.clients import Sent
from streams.demo.log import Recorded, lines_of
from streams.demo.stage import Stage
from streams.logs.jsonl import Fault, Line

LIVE_EVENTS, LIVE_INTERVAL_S = 200, 0.02
LIVE_UPLOADS = 10


class Milliseconds(NamedTuple):
    """Percentiles of so many measurements."""

    p50: float
    p95: float
    p99: float
    times: int

    def __str__(self) -> str:
        return f"{self.p50:.0f} / {self.p95:.0f} / {self.p99:.0f} ms (of {self.times})"


class Now:
    """Event time of what the demo itself does: it continues from the log's end at the pace of the clock."""

    def __init__(self, last_ms: int) -> None:
        self._last_ms, self._began = last_ms, time.monotonic()

    def __call__(self) -> int:
        return self._last_ms + 1 + int(1000 * (time.monotonic() - self._began))


def measure_events(stage: Stage, log: Recorded, now: Now) -> Milliseconds:
    """Send watches one by one at an even pace, and measure from each sending to the slate that covers it."""
    stage.screen.chapter(f"Measuring: {LIVE_EVENTS} events at {1 / LIVE_INTERVAL_S:.0f} a second")
    before = len(stage.outputs.slates)
    sent = stage.publish(paced(usable(watches(stage.settings.seed, log, now))))
    stage.wait("everybody's slate after their last event", stage.people_with_current_slates, len(stage.last_offsets))
    return percentiles(list(delays(sent, stage.outputs.slates[before:])))


def watches(seed: int, log: Recorded, now: Now) -> Iterator[Feedback]:
    """People of the log in turn, each watching a randomly drawn video."""
    chance, people, videos = np.random.default_rng(seed), cycle(log.people()), list(log.videos().values())
    for person in islice(people, LIVE_EVENTS):
        video, at_ms = videos[int(chance.integers(len(videos)))], now()
        length_ms = video.duration_ms or 20_000
        yield Watch(
            user_id=person,
            video_id=video.video_id,
            at_ms=at_ms,
            event_id=f"live-{person}-{at_ms}",
            watched_ms=length_ms,
            duration_ms=length_ms,
        )


def paced(lines: Iterator[Line]) -> Iterator[Line]:
    """Each line at its time, and created only then."""
    began = time.monotonic()
    for number in range(LIVE_EVENTS):
        time.sleep(max(0.0, began + number * LIVE_INTERVAL_S - time.monotonic()))
        yield next(lines)


def delays(sent: Sequence[Sent], slates: Sequence[tuple[str, int, float]]) -> Iterator[float]:
    """For each event the ms until its person's slate with this event, or a later one, as its trigger arrived."""
    for one in sent:
        person = one.line.key.decode()
        yield min(1000 * (at_s - one.at_s) for user, offset, at_s in slates if user == person and offset >= one.offset)


def measure_uploads(stage: Stage, now: Now) -> Milliseconds:
    """Send uploads one by one, and measure from each sending until the video is on features.v1."""
    stage.screen.chapter(f"Measuring: {LIVE_UPLOADS} uploads, one after the other")
    spent_ms = []
    for video in catalogue(stage.settings.seed + 1, LIVE_UPLOADS, now()):
        new = f"new-{video.video_id}"
        fresh = Upload(video_id=new, at_ms=now(), title=video.title, tags=video.tags, category=video.category)
        (sent,) = stage.publish(usable([fresh]))
        stage.wait(f"the features of {new}", partial(is_embedded, stage, new), 1, shown=False)
        spent_ms.append(1000 * (stage.outputs.embedded[new] - sent.at_s))
    return percentiles(spent_ms)


def is_embedded(stage: Stage, video_id: str) -> int:
    """1 once the video is on features.v1."""
    return int(video_id in stage.outputs.embedded)


def percentiles(spent_ms: Sequence[float]) -> Milliseconds:
    """p50, p95 and p99.

    >>> percentiles([1.0, 2.0, 3.0]).p50
    2.0
    """
    p50, p95, p99 = np.percentile(spent_ms, [50, 95, 99]).tolist()
    return Milliseconds(p50, p95, p99, len(spent_ms))


def usable(messages: Iterable[Upload | Feedback]) -> Iterator[Line]:
    """Messages of our own as lines; one that cannot be used is a fault of the program."""
    for line in lines_of(messages):
        if isinstance(line, Fault):
            raise ValueError(f"the demo made a message that cannot be used: {line}")
        yield line
