"""`make soak`: all agents under a steady load for half an hour; their memory by minute, exit status 1 where it grows.

What is known stays as large as it is: as many videos are withdrawn as are new, and event ids are remembered for five
minutes. So what still grows is kept for nobody. `--growing` leaves both out, and shows what known things cost.

One JSON line a minute: resident memory in MB by agent, and how far behind each is. After the warm-up a straight line is
laid through each agent's figures; a slope above the limit is a breach, and so is a worker that ended.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaException

from schemas.messages import videos
from schemas.messages.feedback import Like, Skip, Watch, encode
from schemas.topics import FEEDBACK, UPLOADS
from tests.chaos.load import VIDEOS, Load, Message, person_of, produce, producer, video_of
from tests.chaos.rig import Rig, System, rig, wait
from tests.support.events import uploaded, withdrew

AGENTS = ("profiles", "encoder", "ranker", "learner")
MINUTE_S = 60.0
WARM_UP = 1 / 6  # of the time: pools and caches fill
LIMIT_MB = 1.0  # a minute
LATE_MS = 300_000  # as long the ids of events are remembered


class Traffic:
    """Events of so many people, and uploads of which some are of videos that are known already."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.uploaded = VIDEOS
        self.withdrawn = 0  # the oldest ones: as many as are new
        self._uploads_due = 0.0

    def __call__(self, number: int, chance: random.Random, now_ms: int) -> Iterator[Message]:
        """One event, and the uploads that are due with it."""
        user = person_of(chance.randrange(self.asked.people))
        video = video_of(chance.randrange(self.withdrawn, self.uploaded))
        common: dict[str, Any] = {"user_id": user, "video_id": video, "at_ms": now_ms, "event_id": f"e-{number}"}
        kind = chance.choice((Watch, Watch, Watch, Watch, Like, Skip))
        event = kind(**common, watched_ms=9000, duration_ms=20_000) if kind is Watch else kind(**common)
        yield Message(FEEDBACK, user, encode(event), f"e-{number}")
        self._uploads_due += self.asked.uploads / self.asked.events
        while self._uploads_due >= 1.0:
            self._uploads_due -= 1.0
            yield from self._upload(chance, now_ms)

    def _upload(self, chance: random.Random, now_ms: int) -> Iterator[Message]:
        is_again = chance.random() < self.asked.reuploads
        number = chance.randrange(self.withdrawn, self.uploaded) if is_again else self.uploaded
        name = video_of(number)
        upload = uploaded(name, now_ms, title=f"video {number}, version of {now_ms}")
        yield Message(UPLOADS, name, videos.encode(upload), name)
        self.uploaded += not is_again
        if not is_again and not self.asked.growing:
            oldest = video_of(self.withdrawn)
            self.withdrawn += 1
            yield Message(UPLOADS, oldest, videos.encode(withdrew(oldest, now_ms)), oldest)


class SteadyLoad(Load):
    """The load without withdrawals of its own."""

    def _swap(self) -> None:
        """Nothing is withdrawn."""


def slope(figures: Sequence[float]) -> float:
    """What figures of one minute each grow by in a minute: the slope of the line through them.

    >>> round(slope([1.0, 3.0, 5.0]), 6)
    2.0
    """
    return float(np.polyfit(range(len(figures)), figures, 1)[0]) if len(figures) > 1 else 0.0


def run(on: Rig, asked: argparse.Namespace) -> bool:
    """Half an hour, or what was asked for; whether memory stayed."""
    known = {} if asked.growing else {"late_ms": LATE_MS}
    with on.system("soak", encoder=True, **known) as system:
        system.forked = False
        for agent in AGENTS:
            system.start(agent)
        warm_encoder(system)
        system.load = SteadyLoad(system.settings, system.ledger, asked.events, on.seed, Traffic(asked), encoder=True)
        system.load.start()
        wait("all work", lambda: all(one.mark("confirmed") for one in system.started), 180)
        lines = [minute(system, number + 1) for number in range(asked.minutes)]
    kept = lines[int(len(lines) * WARM_UP) :]
    slopes = {agent: round(slope([line[agent] for line in kept]), 2) for agent in AGENTS}
    broken = [agent for agent, by in slopes.items() if by > asked.limit]
    print(json.dumps({"slope_mb_a_minute": slopes, "limit": asked.limit, "grows": broken, "exits": system.exits}))
    return not broken and not system.exits


def warm_encoder(system: System) -> None:
    """One upload, so that the encoder has loaded its models before anything is measured."""
    to = producer(system.settings)
    upload = uploaded("first", int(time.time() * 1000), title="a first video")
    produce(to, system.settings, Message(UPLOADS, "first", videos.encode(upload), "first"))
    to.flush(60)


def minute(system: System, number: int) -> dict[str, Any]:
    """Let a minute pass, and print what each agent holds."""
    system.keep_up(MINUTE_S)
    memory = {one.agent: round(one.rss_mb(), 1) for one in system.running()}
    line = {"minute": number, **memory, "lag": behind(system), "sent": system.load.sent if system.load else 0}
    print(json.dumps(line), flush=True)
    return {agent: memory.get(agent, 0.0) for agent in AGENTS}


def behind(system: System) -> dict[str, int] | None:
    """Records not acknowledged, by agent; None where the broker is too busy to say."""
    try:
        return system.lags()
    except KafkaException:
        return None


def main(arguments: list[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--events", type=float, default=1000.0, help="a second")
    parser.add_argument("--uploads", type=float, default=5.0, help="a second")
    parser.add_argument("--reuploads", type=float, default=0.2, help="share of the uploads")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--limit", type=float, default=LIMIT_MB, help="MB a minute")
    parser.add_argument("--growing", action="store_true", help="nothing is withdrawn, and no event id forgotten")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="freshet-soak-") as folder,
        rig(Path(folder), asked.seed, long=True) as on,
    ):
        return 0 if run(on, asked) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
