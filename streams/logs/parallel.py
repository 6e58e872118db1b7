"""A replay by several processes: each takes in the whole log, and makes the slates of a part of the people.

To take an event in costs a small part of what a slate does, and nothing has to be exchanged: each process knows what a
single one would know at each line.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import NamedTuple

from schemas.messages import recommendations
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.chosen import EVERYBODY, Chosen, Part
from streams.logs.jsonl import read_log
from streams.logs.outcome import NO_VIDEO, NOTHING_TO_SHOW, Outcome
from streams.logs.replay import Replay, replay_embedder
from streams.logs.replay_digests import SlateDigests, slates_digest
from streams.logs.slate_files import Write
from streams.logs.source import open_log
from streams.worker.processes import die_with_parent

TOGETHER = 64  # slates that are sent at once
AHEAD = 64  # sendings of a process that may wait for those of the others

Numbered = tuple[int, bytes]  # a slate as JSON, behind the number of its line


@dataclass(frozen=True)
class Job:
    """What is replayed, and how."""

    settings: Settings
    log: Path
    chosen: Chosen
    batch: int = 64
    restart_at: int | None = None
    learning: bool = False
    is_written: bool = True  # whether anybody wants the slates themselves


def replay_of(job: Job, part: Part = EVERYBODY) -> Replay:
    """The run of a job, or of one process's part of it."""
    run = Replay(
        job.settings,
        replay_embedder(job.settings),
        batch=job.batch,
        learning=job.learning,
        has_slate=job.chosen,
        part=part,
    )
    run.outcome.unmet.update(job.chosen.people)
    return run


class Done(NamedTuple):
    """The end of a part."""

    outcome: Outcome
    digests: SlateDigests


class Failed(NamedTuple):
    """Why a part did not end."""

    why: str


def replay_parts(job: Job, workers: int, write: Write) -> Outcome:
    """Replay a log with so many processes; slates are written in the order of their lines."""
    with ExitStack() as opened:
        parts = [opened.enter_context(_part(job, Part(number, workers))) for number in range(workers)]
        for _, slate in merge(*(chain.from_iterable(part.slates()) for part in parts)):
            write(slate)
        return joined([part.done for part in parts])


class _Running:
    """A process, read by a thread of its own so that it seldom waits for the others."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._read = pipe, SimpleQueue[list[Numbered] | Done | Failed]()
        self._room = BoundedSemaphore(AHEAD)
        self.done = Done(Outcome(), {})
        Thread(target=self._listen, daemon=True).start()

    def slates(self) -> Iterator[list[Numbered]]:
        """What it makes, until it is done."""
        while isinstance(found := self._read.get(), list):
            self._room.release()
            yield found
        if isinstance(found, Failed):
            raise OperatorError(f"A process of the replay ended: {found.why}", "Try it with --workers 1.")
        self.done = found

    def _listen(self) -> None:
        found: list[Numbered] | Done | Failed = []
        while isinstance(found, list):
            self._room.acquire()
            try:
                found = self._pipe.recv()
            except (EOFError, OSError):  # the latter in the middle of a message
                found = Failed("it was killed.")
            self._read.put(found)


@contextmanager
def _part(job: Job, part: Part) -> Iterator[_Running]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_replay_part, args=(job, part, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _Running(ours)
    finally:
        process.terminate()
        process.join()


def _replay_part(job: Job, part: Part, pipe: Connection) -> None:
    die_with_parent()
    try:
        asyncio.run(_send_slates(job, part, pipe))
    except (Exception, KeyboardInterrupt) as error:  # whatever it is, the parent says it
        pipe.send(Failed(f"{type(error).__name__}: {error}"))


async def _send_slates(job: Job, part: Part, pipe: Connection) -> None:
    run = replay_of(job, part)
    waiting: list[Numbered] = []
    with open_log(job.log) as source:
        async for slate in run.run(read_log(source.lines()), job.restart_at):
            if job.is_written:
                waiting.append((slate.trigger.offset, recommendations.encode(slate)))
            if len(waiting) == TOGETHER:
                pipe.send(waiting)
                waiting = []
    pipe.send(waiting)
    pipe.send(Done(run.outcome, run.slate_digests))


def joined(parts: list[Done]) -> Outcome:
    """The outcome of all parts, each of which took in all events."""
    whole, *others = (part.outcome for part in parts)
    for other in others:
        if other.state_digest != whole.state_digest:
            raise RuntimeError("two processes of a replay came to different profiles")
        whole.slates += other.slates
        for reason in (NO_VIDEO, NOTHING_TO_SHOW):
            whole.without_slate[reason] += other.without_slate[reason]
    whole.without_slate = +whole.without_slate
    whole.slate_digest = slates_digest({key: one for part in parts for key, one in part.digests.items()})
    return whole
