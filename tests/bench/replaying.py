"""replay.events and replay.fold: events a second of `freshet replay`, one core, with slates and without."""

import asyncio
import time
from collections.abc import Iterator

from schemas.topics import UPLOADS
from streams.logs.fold import Fold
from streams.logs.jsonl import Fault, Line, read_log
from streams.logs.replay import Replay, replay_embedder
from tests.bench.ground import Ground
from tests.bench.results import Result


def replay(ground: Ground) -> list[Result]:
    """The first events of a log; its uploads before them are taken in, and not counted."""
    settings, count = ground.settings(), ground.size(3000, 200)
    began_s: list[float] = []

    def lines(log: Iterator[bytes]) -> Iterator[Line | Fault]:
        left = count
        for line in read_log(log):
            if isinstance(line, Line) and line.topic is not UPLOADS:
                if not began_s:
                    began_s.append(time.process_time())
                if not left:
                    return
                left -= 1
            yield line

    run = Replay(settings, replay_embedder(settings))

    async def through() -> None:
        with ground.log.path.open("rb") as log:
            async for _ in run.run(lines(log)):
                pass

    asyncio.run(through())
    spent_s = time.process_time() - began_s[0]
    done = run.outcome
    note = f"{done.events:,} events of {ground.log.name}, a slate each, {done.uploads:,} uploads before them"
    return [Result("replay.events", done.events / spent_s, "events/s", f"{done.events:,} events", note=note)]


def fold(ground: Ground) -> list[Result]:
    """All lines of a log read, folded, and digested, without slates."""
    began_s = time.process_time()
    with ground.log.path.open("rb") as log:
        done = Fold(ground.settings()).run(read_log(log))
    spent_s = time.process_time() - began_s
    note = f"{done.events:,} events of {ground.log.name} and {done.uploads:,} uploads, by their lines"
    return [Result("replay.fold", done.events / spent_s, "events/s", f"{done.events:,} events", note=note)]
