"""A worker that kills or stops itself at a chosen step; the agents themselves know nothing of it.

`python -m tests.chaos.worker profiles` runs the agent as `freshet worker` does, with some functions wrapped:
CHAOS_STEP at its CHAOS_CALL-th call ends the process with SIGKILL (or stops it, CHAOS_SIGNAL=SIGSTOP), and CHAOS_MARKS
names a file that gets a line with the monotonic clock when the first poll comes, when it is confirmed, and at the end.
"""

import asyncio
import inspect
import os
import random
import signal
import sys
import time
from functools import wraps
from pathlib import Path
from typing import Any

STEPS = ("read", "apply", "state", "produce", "flush", "ack", "commit")
BETWEEN = "between"  # the examples of a poll are confirmed and its profiles are not; blocks, and not their manifest
MORE_STEPS = {"profiles": (BETWEEN,), "learner": (BETWEEN,)}
RECOVER = "recover"  # a step of its own: the state is being read back
SENDING_S = 0.004  # a guess: within this time after the first byte some of a poll's records are out, others not


class Trap:
    """Counts the calls of one step and springs at the wanted one."""

    def __init__(self, step: str, call: int, sign: signal.Signals, marks: Path | None) -> None:
        self.step, self.call, self.sign = step, call, sign
        self._file = os.open(marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if marks else None
        self._seen: set[str] = set()

    def mark(self, what: str) -> None:
        """Write down when something happened for the first time."""
        if what not in self._seen:
            self._seen.add(what)
            self.note(what)

    def note(self, what: str) -> None:
        """Write down when something happened, each time."""
        if self._file is not None:
            os.write(self._file, f"{time.monotonic():.4f} {what}\n".encode())

    def reached(self, step: str) -> bool:
        """Whether this call is the one."""
        if step == self.step:
            self.call -= 1
        return step == self.step and self.call == 0

    def spring(self) -> None:
        """Die, or stop, here and now."""
        self.mark(f"end {self.step}")
        os.kill(os.getpid(), self.sign)


def before(owner: Any, name: str, trap: Trap, step: str) -> None:
    """Spring when the function is called."""
    inner = getattr(owner, name)

    @wraps(inner)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if trap.reached(step):
            trap.spring()
        return inner(*args, **kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, trap: Trap, step: str, mark: str = "") -> None:
    """Spring when the function, plain or async, has returned."""
    inner = getattr(owner, name)

    def returned() -> None:
        if mark:
            trap.mark(mark)
        if trap.reached(step):
            trap.spring()

    @wraps(inner)
    async def wrapped_async(*args: Any, **kwargs: Any) -> Any:
        result = await inner(*args, **kwargs)
        returned()
        return result

    @wraps(inner)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = inner(*args, **kwargs)
        returned()
        return result

    setattr(owner, name, wrapped_async if inspect.iscoroutinefunction(inner) else wrapped)


def during(owner: Any, name: str, trap: Trap, step: str) -> None:
    """Spring a moment after the async function has begun."""
    inner = getattr(owner, name)

    @wraps(inner)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if trap.reached(step):
            delay_s = random.Random(os.getpid()).uniform(0, SENDING_S)
            asyncio.get_running_loop().call_later(delay_s, trap.spring)
        return await inner(*args, **kwargs)

    setattr(owner, name, wrapped)


def between_stages(trap: Trap) -> None:
    """Spring before the second stage is sent, when the broker has the first one."""
    from ranker.learning.publication import MANIFEST
    from schemas.topics import EXAMPLES, PROFILES
    from streams.kafka import sends

    inner, before_it = sends.put, ""

    @wraps(inner)
    async def wrapped(out: Any, stage: sends.Stage) -> None:
        nonlocal before_it
        found = " ".join(send.topic for send in stage)
        is_second = EXAMPLES.name in before_it and PROFILES.name in found
        is_manifest = any(one.key == MANIFEST.encode() for send in stage for one in send.records)
        before_it = found
        if (is_second or is_manifest) and trap.reached(BETWEEN):
            trap.spring()
        await inner(out, stage)

    sends.put = wrapped


def set_traps(trap: Trap) -> None:
    """Wrap what marks each step, whichever agent this is."""
    from encoders.embedder import VideoEmbedder
    from ranker.pipeline.pipeline import Pipeline
    from streams.kafka import consumer, poll
    from streams.kafka.confirmed_producer import ConfirmedProducer
    from streams.kafka.owned_state import OwnedState
    from streams.learning.step import LearnStep
    from streams.profiles import step
    from streams.ranking.published_parameters import PublishedParameters

    after(poll.Poll, "__init__", trap, "read", mark="poll")
    after(step, "fold_batch", trap, "apply")
    after(Pipeline, "recommend", trap, "apply")
    after(LearnStep, "apply", trap, "apply")
    after(VideoEmbedder, "features", trap, "apply")
    before(ConfirmedProducer, "put", trap, "state")
    before(ConfirmedProducer, "put_by_key", trap, "state")
    after(ConfirmedProducer, "_hand_over_all", trap, "flush", mark="confirmed")
    during(ConfirmedProducer, "_hand_over_all", trap, "produce")
    after(poll.Poll, "done", trap, "ack")
    (after if os.getpid() % 2 else before)(consumer.Consumer, "_commit", trap, "commit")
    after(OwnedState, "_take", trap, RECOVER)
    after(PublishedParameters, "apply", trap, RECOVER)
    between_stages(trap)


def note_the_index(trap: Trap) -> None:
    """Write down when slates begin to do without the index, and when they use it again."""
    from streams.qdrant.watched_index import WatchedIndex

    for name, what in (("_goes", "away"), ("_comes", "used")):
        _noted(WatchedIndex, name, trap, what)


def _noted(owner: Any, name: str, trap: Trap, what: str) -> None:
    inner = getattr(owner, name)

    @wraps(inner)
    def wrapped(*args: Any) -> Any:
        trap.note(what)
        return inner(*args)

    setattr(owner, name, wrapped)


def with_session(seconds: float) -> None:
    """Let the group miss a killed worker sooner than as shipped, so that many kills fit into a short round."""
    from streams.kafka import consumer

    consumer.GROUP |= {"session.timeout.ms": int(1000 * seconds), "heartbeat.interval.ms": int(200 * seconds)}


def main(name: str, environ: dict[str, str]) -> None:
    """Run one agent with its trap, as `freshet worker` does."""
    from schemas.settings.load import load
    from schemas.topics import TOPICS
    from streams.kafka import topic_admin
    from streams.kafka.probe import wait_for_authenticated_broker
    from streams.worker.run import run_worker

    marks = Path(environ["CHAOS_MARKS"]) if "CHAOS_MARKS" in environ else None
    sign = signal.Signals[environ.get("CHAOS_SIGNAL", "SIGKILL")]
    trap = Trap(environ.get("CHAOS_STEP", ""), int(environ.get("CHAOS_CALL", "1")), sign, marks)
    set_traps(trap)
    if session := environ.get("CHAOS_SESSION_S"):
        with_session(float(session))
    settings = load({}, environ, None).settings
    if name == "ranker" and settings.qdrant_url:
        note_the_index(trap)
    wait_for_authenticated_broker(settings, print)
    topic_admin.check(settings, TOPICS)
    run_worker(name, settings)


if __name__ == "__main__":
    main(sys.argv[1], dict(os.environ))
