"""How a worker is doing: a status file that `freshet health` reads, and the end of a worker that makes no progress."""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
from confluent_kafka import KafkaException

from schemas.settings.model import Settings

log = logging.getLogger("freshet.health")

LOOK_S = 1.0
PROBE_S = 5.0  # between two questions whether the broker answers
ANSWER_S = 3.0
LONG_S = 2.0  # a wait that takes longer makes a worker not ready
BEAT_S = 0.5
LONGEST_RECOVERY_S = 900.0  # one of them, with a broker that answers; a million people take 10 s
STUCK = 3  # exit status of a worker that made no progress

State = Literal["starting", "recovering", "ready", "waiting", "stopping"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One worker at one moment."""

    agent: str
    pid: int
    state: State
    at_ms: int
    waits_for: list[str] = []
    lag: dict[str, int] = {}  # records behind the partition's end, by topic[partition]
    in_hand: int = 0  # records of the poll in hand


class Health:
    """A thread beside the event loop, so that it still speaks when the loop does not."""

    def __init__(self, app: Any, agent: str, settings: Settings) -> None:
        self._app, self._agent = app, agent
        self._limit_s = settings.stuck_s
        self._file = status_folder(settings) / f"{agent}-{os.getpid()}.json"
        self._moved_s = self._flowed_s = time.monotonic()
        self._beat_s: float | None = None  # Faust starts tasks once the first recovery is over
        self._progress = (-1, -1)  # polls, and flushes of a long one
        self._generation = -1
        self._reachable, self._probed_s = True, 0.0
        self._complained = False
        app.task(self._beat)

    def start(self) -> None:
        """Begin to look."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._look_on, name="health", daemon=True).start()

    async def _beat(self) -> None:
        while True:
            self._beat_s = time.monotonic()
            await asyncio.sleep(BEAT_S)

    def _look_on(self) -> None:
        while True:
            time.sleep(LOOK_S)
            consumer = self._app._consumer  # its property would make one, here beside the event loop
            if consumer is None or not consumer.started:
                continue
            try:
                self._write(self._status())
                stuck = self._stuck()
            except RuntimeError:  # the client is closed: the worker is about to end in order
                return
            if stuck:
                self._end(stuck)

    def _status(self) -> Status:
        consumer, waits = self._app.consumer, self._app.transport.waits.now(LONG_S)
        self._probe(consumer)
        if not self._reachable:
            waits.append("the broker")
        ready: State = "waiting" if waits else "ready"
        state: State = ready if consumer.flowing else "recovering" if consumer.joined else "starting"
        return Status(
            agent=self._agent,
            pid=os.getpid(),
            state="stopping" if self._app.should_stop else state,
            at_ms=int(time.time() * 1000),
            waits_for=waits,
            lag=consumer.lag(),
            in_hand=consumer.in_hand,
        )

    def _probe(self, consumer: Any) -> None:
        if time.monotonic() - self._probed_s < PROBE_S:
            return
        try:
            self._reachable = consumer.answers(ANSWER_S)
        except KafkaException:
            self._reachable = False
        self._probed_s = time.monotonic()

    def _stuck(self) -> str:
        """Why this worker has to end, if it has to."""
        now, consumer = time.monotonic(), self._app.consumer
        idle = not (consumer.in_hand or any(consumer.lag().values()))
        kept = not self._reachable or self._app.transport.waits.now()
        progress = consumer.polls, self._app.producer.flushes
        if idle or kept or not consumer.flowing or progress != self._progress:
            self._progress, self._moved_s = progress, now
        if self._beat_s is None and consumer.flowing:  # the first poll may hold the loop before its first beat
            self._beat_s = now
        if self._beat_s is not None and now - self._beat_s > self._limit_s:
            return f"the event loop has stood still for {now - self._beat_s:.0f} s"
        generation = self._app.consumer_generation_id
        if kept or consumer.flowing or not consumer.assignment() or generation != self._generation:
            self._generation, self._flowed_s = generation, now
        if now - self._flowed_s > LONGEST_RECOVERY_S:
            return f"its partitions have not been ready for {now - self._flowed_s:.0f} s"
        if now - self._moved_s > self._limit_s:
            return f"records wait, and none was done with for {now - self._moved_s:.0f} s"
        return ""

    def _end(self, why: str) -> None:
        log.critical("%s ends: %s; nothing of it is acknowledged", self._agent, why)
        faulthandler.dump_traceback(sys.stderr)
        self.gone()
        os._exit(STUCK)

    def _write(self, status: Status) -> None:
        try:
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(status))
            fresh.replace(self._file)
            self._complained = False
        except OSError as error:  # a full disk is no reason to stop: the agents keep nothing on it
            if not self._complained:
                log.error("%s cannot be written: %s", self._file, error.strerror)
            self._complained = True

    def gone(self) -> None:
        """Take the status file away."""
        self._file.unlink(missing_ok=True)


def status_folder(settings: Settings) -> Path:
    """Where the workers of one prefix on this machine leave their status."""
    return settings.data_dir / "run" / (settings.prefix.strip(".") or "workers")


def statuses(settings: Settings) -> list[Status]:
    """What the workers on this machine say, those left out whose process is gone."""
    found = []
    for file in sorted(status_folder(settings).glob("*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=Status))
        except (OSError, msgspec.DecodeError):
            continue  # it ended just now
    return [one for one in found if Path(f"/proc/{one.pid}").exists() or not Path("/proc/self").exists()]
