"""How a worker is doing: a status file that `freshet health` reads, and the end of a worker that makes no progress."""

import asyncio
import faulthandler
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.settings.model import Settings
from streams.worker.assignment import AssignmentWatch
from streams.worker.memory import give_back
from streams.worker.partition_counts import differing
from streams.worker.process_identity import ProcessIdentity, identity_of, is_alive

if TYPE_CHECKING:  # `freshet health` reads files, and need not wait for Faust
    from streams.kafka.app import BatchApp

log = logging.getLogger("freshet.health")

STATUS_INTERVAL_S = 1.0
LONG_WAIT_S = 2.0  # a wait that takes longer makes a worker not ready
HEARTBEAT_INTERVAL_S = 0.5
QUALITY_INTERVAL_S = 5.0  # the AUC of 10,000 exposures takes some milliseconds
TRIM_INTERVAL_S = 30.0  # a recovery, or a backlog, needs memory once
SILENT_MS = 10_000  # after which a worker is silent: it writes its status every second
ABANDONED_S = 10.0  # without being written; another container's process, which is not seen here, writes each second
MAX_RECOVERY_S = 900.0  # of one recovery, with a broker that answers; a million profiles take 10 s
DIFFERENT = 1  # exit status of a worker whose topics got other partitions, as at its start
STUCK = 3  # exit status of a worker that made no progress

State = Literal["starting", "unassigned", "recovering", "ready", "waiting", "stopping"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One worker at one moment."""

    agent: str
    pid: int
    state: State
    at_ms: int
    waits_for: list[str] = []
    trouble: str = ""  # what is wrong with its assignment, and what helps
    lag: dict[str, int] = {}  # records that may be read and are not done, by topic[partition]
    in_flight: int = 0  # records of the in-flight batch
    started: int = 0  # of the process: clock ticks since boot; with the next, what tells it from a later one
    boot: str = ""  # id of that boot
    open_transactions: dict[str, int] = {}  # records that they hold back from every reader, by topic[partition]
    metrics: str = ""  # where it serves its metrics, if it does
    quality: Mapping[str, float] = {}  # how good the newest are of the learner's predictions, of the ranker's slates


def is_silent(status: Status, now_ms: float) -> bool:
    """Whether a worker has not written its status for too long."""
    return now_ms - status.at_ms > SILENT_MS


class Health:
    """A thread beside the event loop, so that it still works when the loop does not."""

    def __init__(self, app: "BatchApp", agent: str, settings: Settings) -> None:
        self._app, self._agent = app, agent
        self._settings, self._limit_s = settings, settings.stuck_s
        self._topics: object = None  # those that were looked at last
        self._file = status_folder(settings) / f"{agent}-{os.getpid()}.json"
        self._identity = identity_of(os.getpid()) or ProcessIdentity(os.getpid())
        self._progressed_s = self._flowed_s = self._trimmed_s = time.monotonic()
        self._heartbeat_s: float | None = None  # Faust starts tasks once the first recovery is over
        self._progress = (-1, -1)  # polls done, and flushes of a long one
        self._generation = -1
        self._assignment = AssignmentWatch(app.transport.options, app.conf.id, settings.stuck_s)
        self._quality: Mapping[str, float] = {}
        self._judged_s = -math.inf  # when that was asked for last
        self._reachable = True
        self._write_failed = False
        self.metrics_url = ""
        self.latest: Status | None = None  # None before the consumer has started
        self.looked_s = time.monotonic()  # when this thread was at work last
        self.recovery_s: float | None = None  # how long the last recovery took; None before the first is over
        self._recovers_since_s: float | None = time.monotonic()
        self._recovered_generation = -1
        app.task(self._beat)

    def start(self) -> None:
        """Begin to write the status, and to watch for progress."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        remove_dead(self._file.parent)
        threading.Thread(target=self._watch, name="health", daemon=True).start()

    async def _beat(self) -> None:
        while True:
            self._heartbeat_s = time.monotonic()
            await asyncio.sleep(HEARTBEAT_INTERVAL_S)

    def _watch(self) -> None:
        while True:
            time.sleep(STATUS_INTERVAL_S)
            self.looked_s = time.monotonic()
            consumer = self._app._consumer
            if consumer is None or not consumer.started:
                continue
            self._trim()
            self._end_where_topics_differ()
            if self.latest is None and self.metrics_url:
                log.info("metrics at %s", self.metrics_url)
            self._time_recovery()
            self.latest = self._status()
            self._write(self.latest)
            if stuck := self._why_stuck():
                self._end(stuck)

    def _status(self) -> Status:
        consumer, waits = self._app.consumer, self._app.transport.waits.now(LONG_WAIT_S)
        self._reachable = consumer.is_broker_answering
        if not self._reachable:
            waits.append("the broker")
        self._assignment.look(consumer, self._reachable)
        if self._assignment.trouble:
            waits.append(f"its group to assign partitions, for {self._assignment.waited_s:.0f} s")
        ready: State = "waiting" if waits else "ready"
        state: State = ready if consumer.flowing else "recovering" if consumer.joined else "starting"
        state = "unassigned" if self._assignment.trouble else state
        return Status(
            agent=self._agent,
            pid=os.getpid(),
            state="stopping" if self._app.should_stop else state,
            at_ms=int(time.time() * 1000),
            waits_for=waits,
            trouble=self._assignment.trouble,
            lag=consumer.lag(),
            in_flight=consumer.in_flight,
            started=self._identity.started,
            boot=self._identity.boot,
            open_transactions=consumer.positions.open_transactions(),
            metrics=self.metrics_url,
            quality=self._newest_quality(),
        )

    def _newest_quality(self) -> Mapping[str, float]:
        if time.monotonic() - self._judged_s > QUALITY_INTERVAL_S:
            self._quality, self._judged_s = self._app.quality(), time.monotonic()
        return self._quality

    def _time_recovery(self) -> None:
        now, generation = time.monotonic(), self._app.consumer_generation_id
        if generation not in (0, self._recovered_generation) and self._recovers_since_s is None:
            self._recovers_since_s = now
        if self._recovers_since_s is not None and self._app.consumer.flowing:
            self.recovery_s, self._recovers_since_s = now - self._recovers_since_s, None
            self._recovered_generation = generation

    def _trim(self) -> None:
        if time.monotonic() - self._trimmed_s > TRIM_INTERVAL_S:
            give_back()
            self._trimmed_s = time.monotonic()

    def _why_stuck(self) -> str:
        """Why this worker has to end, or an empty string."""
        now, consumer = time.monotonic(), self._app.consumer
        idle = not (consumer.in_flight or any(consumer.lag().values()))
        waiting = not self._reachable or self._app.transport.waits.now()
        progress = consumer.polls, self._app.producer.flushes
        if idle or waiting or not consumer.flowing or progress != self._progress:
            self._progress, self._progressed_s = progress, now
        if self._heartbeat_s is None and consumer.flowing:
            self._heartbeat_s = now  # the first poll may block the event loop before it has run our task
        still_s = 0.0 if self._heartbeat_s is None else now - self._heartbeat_s
        if still_s > self._limit_s:
            return f"the event loop has stood still for {still_s:.0f} s"
        generation = self._app.consumer_generation_id
        if waiting or consumer.flowing or not consumer.assignment() or generation != self._generation:
            self._generation, self._flowed_s = generation, now
        if now - self._flowed_s > MAX_RECOVERY_S:
            return f"its partitions have not been ready for {now - self._flowed_s:.0f} s"
        if why := self._assignment.why_end():
            return why
        if now - self._progressed_s > self._limit_s:
            if still_s > LONG_WAIT_S:  # that is why
                return f"the event loop has stood still for {still_s:.0f} s"
            return f"records are waiting, and none has been handled for {now - self._progressed_s:.0f} s"
        return ""

    def _end_where_topics_differ(self) -> None:
        found = self._app.transport.watch.current
        if found is self._topics:
            return
        self._topics = found
        if differences := differing(found, self._settings):
            log.critical("%s ends: the topics differ: %s", self._agent, "; ".join(differences))
            self.remove_status()
            os._exit(DIFFERENT)

    def _end(self, why: str) -> None:
        log.critical("%s ends: %s; the offsets of its in-flight batch are not committed", self._agent, why)
        faulthandler.dump_traceback(sys.stderr)
        self.remove_status()
        os._exit(STUCK)

    def _write(self, status: Status) -> None:
        try:
            new = self._file.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(status))
            new.replace(self._file)
        except OSError as error:  # a full disk is no reason to stop: the agents keep nothing on it
            if not self._write_failed:
                log.error("%s cannot be written, the agent goes on without it: %s", self._file, error.strerror)
            self._write_failed = True
        else:
            if self._write_failed:
                log.info("%s is written again", self._file)
            self._write_failed = False

    def remove_status(self) -> None:
        """Delete the status file."""
        self._file.unlink(missing_ok=True)


def status_folder(settings: Settings) -> Path:
    """Where the workers of one prefix on this machine leave their status."""
    return settings.data_dir / "run" / (settings.prefix.strip(".") or "workers")


def statuses(settings: Settings) -> list[Status]:
    """The statuses of this machine's workers; files of processes that have ended are passed over and removed."""
    remove_dead(status_folder(settings))
    found = (read_status(file) for file in sorted(status_folder(settings).glob("*.json")))
    return [one for one in found if one is not None and is_alive(identity(one))]


def read_status(file: Path) -> Status | None:
    """The status in a file; None where it ended just now, or is damaged."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def identity(status: Status) -> ProcessIdentity:
    """The process that wrote a status."""
    return ProcessIdentity(status.pid, status.started, status.boot)


def remove_dead(folder: Path) -> None:
    """Remove what workers left behind that were killed: files that nobody has written for long."""
    for file in folder.glob("*"):
        try:
            silent = time.time() - file.stat().st_mtime > ABANDONED_S
            status = read_status(file)
            if silent and (status is None or not is_alive(identity(status))):
                file.unlink()
        except OSError:
            continue  # another process was quicker
