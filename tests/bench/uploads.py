"""uploads.live: how soon an upload with media can be recommended, and what that does to ranking beside it."""

import time
from pathlib import Path
from threading import Thread

from rich.console import Console

from schemas.messages.videos import Upload
from streams.demo.clients import Publisher, Sent
from streams.demo.latency import Milliseconds, Now, measure_events, percentiles, usable
from streams.demo.log import Recorded, simulated
from streams.demo.screen import Screen
from streams.demo.stage import Stage, stage
from streams.demo.story import fill_catalogue, play_log
from tests.bench.ground import Ground
from tests.bench.results import Goal, Result
from tests.support.clips import clip

NAME = "uploads.live"
EVERY_S = 0.5  # between two uploads
EVENTS = 1000  # before, so that people have profiles
ROUNDS = 5  # of 200 events each, without uploads and with them


def live(ground: Ground) -> list[Result]:
    """2 uploads a second of a 10 s clip (720 x 1280, H.264, AAC), while 50 events a second are answered."""
    folder = ground.folder / "uploads"
    (folder / "media").mkdir(parents=True)
    (folder / "media/clip.mp4").write_bytes(clip(seconds=10, size=(720, 1280), rate=30, key_every=30))
    settings = ground.settings(data_dir=folder, media_root=str(folder / "media"))
    with (folder / "said").open("w") as out:
        screen = Screen(console=Console(file=out))
        with stage(settings, folder, True, False, screen) as on:
            return measured(on, simulated(0, ground.size(EVENTS, 100), time.time_ns() // 1_000_000), ground)


def measured(on: Stage, log: Recorded, ground: Ground) -> list[Result]:
    """Ranking alone, then beside uploads."""
    fill_catalogue(on, log)
    play_log(on, log)
    now, rounds = Now(log.last_ms), ground.size(ROUNDS, 1)
    alone = ranked(on, log, now, rounds)
    sender = Sender(on, ground.folder / "uploads.jsonl", now)
    sender.start()
    beside = ranked(on, log, now, rounds)
    sender.end()
    sent, known = sender.sent, on.outputs.embedded
    on.wait("features", lambda: sum(name in known for name in sent), len(sent), shown=False)
    spent = percentiles([1000 * (known[name] - one.at_s) for name, one in sent.items()])
    ratio = beside.p99 / alone.p99
    goals = (
        Goal(f"upload to features p99 < 5 s ({spent.p99 / 1000:.2f})", spent.p99 < 5000),
        Goal(f"event to slate p99 ≤ 1.5 × without uploads ({ratio:.2f})", ratio <= 1.5),
    )
    note = f"{spent.times} uploads at {1 / EVERY_S:g} a second, decoded and encoded, beside 50 events a second"
    slates = {"slate p50": alone.p50, "p99": alone.p99, "slate p50 beside": beside.p50, "p99 beside": beside.p99}
    more = {"p99": spent.p99, **{f"{name}, ms": value for name, value in slates.items()}}
    return [Result(NAME, spent.p50, "ms", "upload to features, p50", more=more, goals=goals, note=note)]


def ranked(on: Stage, log: Recorded, now: Now, rounds: int) -> Milliseconds:
    """Event to slate over some rounds: the medians of their percentiles."""
    found = sorted((measure_events(on, log, now) for _ in range(rounds)), key=lambda one: one.p99)
    return found[len(found) // 2]


class Sender:
    """Uploads at an even pace, from a thread of its own."""

    def __init__(self, on: Stage, file: Path, now: Now) -> None:
        self.sent: dict[str, Sent] = {}
        self._settings, self._file, self._now, self._on = on.settings, file, now, True
        self._thread = Thread(target=self._send, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Send no more, and wait for what was sent."""
        self._on = False
        self._thread.join()

    def _send(self) -> None:
        with Publisher(self._settings, self._file) as publisher:
            began, number = time.monotonic(), 0
            while self._on:
                time.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
                name = f"clip-{number:04}"
                upload = Upload(video_id=name, at_ms=self._now(), title=f"Clip number {number}", media_uri="clip.mp4")
                (self.sent[name],) = publisher.send(usable([upload]))
                number += 1
