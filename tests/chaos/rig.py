"""The rig: one real broker with a fault proxy before it, and systems of workers that are killed and started again."""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from ranker.profile.model import Profile
from schemas.settings.load import load
from schemas.settings.model import Settings
from schemas.topics import EXAMPLES, FEATURES, FEEDBACK, PROFILES, TOPICS, UPLOADS, Topic
from streams.kafka import topic_admin
from streams.local.broker import HOST, LocalBroker, free_port, local_broker
from streams.worker import processes, supervise
from tests.chaos.check import breaches, verdict
from tests.chaos.load import Load, Maker, fill, plain, read_ledger
from tests.chaos.proxy import Proxy
from tests.chaos.topics import ends, lag
from tests.chaos.worker import main as run_worker
from tests.support.brokers import CACHE, share_labels
from tests.support.forked import forked
from tests.support.paths import ROOT

# In the order in which work goes from one to the next: who has none left then gets none any more.
SOURCE = {"encoder": UPLOADS, "indexer": FEATURES, "profiles": FEEDBACK, "ranker": PROFILES, "learner": EXAMPLES}
LOOK_S = 0.05
SESSION_S = 3.0  # of the short round: a killed worker holds its group for so long; 10 s as shipped
MOST_EXITS = 20
STOP_S = 20.0
PATIENT_S = 300.0  # for what takes seconds on a machine that has nothing else to do
RESTART_S = 1.0  # a supervisor starts a worker that ended by itself again after so long


class Crash(NamedTuple):
    """Where a worker ends (or stops) itself: at the n-th call of a step."""

    step: str
    call: int = 1
    sign: str = "SIGKILL"


@dataclass
class Worker:
    """One worker process with what it wrote."""

    agent: str
    process: subprocess.Popen[bytes]
    log: Path
    marks: Path
    started_s: float
    crash: Crash | None = None
    ended_s: float | None = None  # monotonic, like all marks

    def alive(self) -> bool:
        """Whether it runs; notes down when it was first seen dead."""
        if self.process.poll() is not None and self.ended_s is None:
            self.ended_s = self.mark("end") or time.monotonic()
        return self.process.poll() is None

    def mark(self, what: str) -> float | None:
        """When the worker wrote this mark (`poll`, `confirmed`, `end`), on the monotonic clock."""
        lines = self.marks.read_text().splitlines() if self.marks.exists() else []
        return next((float(line.split()[0]) for line in lines if line.split()[1] == what), None)

    def kill(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL it is waited for."""
        self.process.send_signal(sign)
        if sign == signal.SIGKILL:
            self.process.wait()
            self.ended_s = time.monotonic()

    def rss_mb(self) -> float:
        """Resident memory."""
        try:
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        except OSError:  # it has just ended
            return 0.0
        return int(pages) * resource.getpagesize() / 1e6

    def said(self) -> str:
        """Everything that it wrote."""
        return self.log.read_text("utf-8", "replace")


def warm(agent: str, environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker forked off a process that has imported everything."""
    return forked(run_worker, [agent, environ], environ, log)


def cold(agent: str, environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A worker in an interpreter of its own."""
    with log.open("wb") as output:
        return processes.start([sys.executable, "-m", "tests.chaos.worker", agent], output, environ)


@dataclass
class System:
    """Topics of a scenario's own, workers on them, and the load."""

    settings: Settings
    folder: Path
    session_s: float | None
    bootstrap: str  # for the workers; the load and the checker do not pass through the proxy
    started: list[Worker] = field(default_factory=list)
    load: Load | None = None
    encoder: bool = False
    forked: bool = False
    exits: int = 0  # workers that ended although nobody asked them to
    rss_mb: float = 0.0
    done: list[Worker] = field(default_factory=list)  # ended and dealt with

    @property
    def ledger(self) -> Path:
        """What was sent."""
        return self.folder / "ledger.jsonl"

    def start(self, agent: str, crash: Crash | None = None, **changes: Any) -> Worker:
        """Start one worker, with a trap or without."""
        number = len(self.started)
        log, marks = (self.folder / f"{agent}-{number}.{kind}" for kind in ("log", "marks"))
        environ = supervise.environment(self.settings.model_copy(update={"bootstrap": self.bootstrap, **changes}))
        environ |= {"PYTHONPATH": str(ROOT), "CHAOS_MARKS": str(marks)}
        if crash:
            environ |= {"CHAOS_STEP": crash.step, "CHAOS_CALL": str(crash.call), "CHAOS_SIGNAL": crash.sign}
        if self.session_s:
            environ["CHAOS_SESSION_S"] = str(self.session_s)
        process = (warm if self.forked else cold)(agent, environ, log)
        worker = Worker(agent, process, log, marks, time.monotonic(), crash)
        self.started.append(worker)
        return worker

    def begin(self, rate: float, seed: int, make: Maker = plain) -> None:
        """Put load on it."""
        self.load = Load(self.settings, self.ledger, rate, seed, make, self.encoder)
        self.load.start()

    def running(self, agent: str | None = None) -> list[Worker]:
        """Workers that are alive."""
        return [one for one in self.started if (agent is None or one.agent == agent) and one.alive()]

    def keep_up(self, seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> bool:
        """Be the supervisor for a while: who ends without being asked to is counted and started again."""
        end = time.monotonic() + seconds
        while not (held := until()) and time.monotonic() < end:
            for worker in [one for one in self.started if not one.alive() and one.crash is None]:
                if worker.ended_s and worker not in self.done and time.monotonic() > worker.ended_s + RESTART_S:
                    self.done.append(worker)
                    self.exits += 1
                    if self.exits > MOST_EXITS:
                        raise RuntimeError(f"{worker.agent} ends again and again: {worker.said()[-500:]}")
                    self.start(worker.agent)
            self.rss_mb = max([self.rss_mb, *(one.rss_mb() for one in self.running())])
            time.sleep(LOOK_S)
        return held

    @property
    def learns(self) -> bool:
        """Whether there was a learner."""
        return any(one.agent == "learner" for one in self.started)

    def asked_to_end(self, worker: Worker) -> None:
        """The supervisor need not start this one again."""
        self.done.append(worker)

    def lags(self) -> dict[str, int]:
        """Records not acknowledged, by agent."""
        agents = {one.agent for one in self.started}
        return {agent: lag(self.settings, agent, source) for agent, source in SOURCE.items() if agent in agents}

    def rest(self, limit_s: float = PATIENT_S) -> dict[str, int]:
        """Stop the load and wait until all is acknowledged; gives what lag is left."""
        if self.load:
            self.load.stop()
            self.load = None
        self.keep_up(limit_s, lambda: not any(self.lags().values()))
        return self.lags()

    def finish(
        self, limit_s: float = PATIENT_S, letters: Mapping[str, int] | None = None, **how: Callable[[Profile], Profile]
    ) -> dict[str, Any]:
        """Come to rest, check everything, stop the workers; `letters` are dead letters beside those of the input."""
        behind = self.rest(limit_s)
        figures = verdict(self.settings, read_ledger(self.ledger), self.encoder, self.learns, letters or {}, **how)
        self.stop()
        return figures | {"lag": sum(behind.values()), "exits": self.exits, "rss_mb": round(self.rss_mb)}

    def stop(self) -> None:
        """Stop what still runs."""
        for worker in self.running():
            worker.kill(signal.SIGCONT)
            worker.kill(signal.SIGTERM)
        end = time.monotonic() + STOP_S
        while self.running() and time.monotonic() < end:
            time.sleep(LOOK_S)
        for worker in self.running():
            worker.kill()

    def recoveries(self) -> list[float]:
        """Seconds from each worker's end to the first poll in the hands of the next one of its agent."""
        found = []
        for place, worker in enumerate(self.started):
            later = [one for one in self.started[place + 1 :] if one.agent == worker.agent]
            polled = [mark for one in later if (mark := one.mark("poll"))]
            if worker.ended_s and polled:
                found.append(round(min(polled) - worker.ended_s, 1))
        return found


class Rig:
    """The broker, its proxy, and a folder."""

    def __init__(self, broker: LocalBroker, proxy: Proxy, folder: Path, seed: int, long: bool) -> None:
        self.broker, self.proxy, self.folder, self.seed, self.long = broker, proxy, folder, seed, long
        self._systems = count(1)

    def size(self, short: Any, long: Any) -> Any:
        """The one for this round."""
        return long if self.long else short

    @contextmanager
    def system(self, name: str, proxied: bool = False, encoder: bool = False, **changes: Any) -> Iterator[System]:
        """Topics, videos and no worker yet; everything is stopped at the end."""
        folder = self.folder / f"{name}-{next(self._systems)}"
        folder.mkdir(parents=True)
        share_labels(folder)
        values = {"bootstrap": self.broker.bootstrap, "prefix": f"{folder.name}.", "slate_size": 5, "provider": "cpu"}
        folders = {"data_dir": folder, "cache_dir": CACHE.settings.cache_dir}
        settings = load({**values, **folders, **changes}, {}, None).settings
        topic_admin.apply(settings, TOPICS, lambda _: None)
        fill(settings)
        bootstrap = f"{HOST}:{self.proxy.port}" if proxied else self.broker.bootstrap
        system = System(settings, folder, self.size(SESSION_S, None), bootstrap, encoder=encoder, forked=not self.long)
        try:
            yield system
        finally:
            system.stop()


@contextmanager
def rig(folder: Path, seed: int, long: bool) -> Iterator[Rig]:
    """A broker that answers at its own port and, as if it were another broker, at the proxy's."""
    port, inner, controller = free_port(), free_port(), free_port()
    with Proxy(inner) as proxy:
        extra = {
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"PLAINTEXT://{HOST}:{port},PROXIED://{HOST}:{inner},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{port},PROXIED://{HOST}:{proxy.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "group.min.session.timeout.ms": "1000",
        }
        with local_broker(folder, CACHE.settings.cache_dir, port, extra=extra) as broker:
            yield Rig(broker, proxy, folder, seed, long)


def wait(what: str, holds: Callable[[], bool], limit_s: float = PATIENT_S) -> None:
    """Return when it holds; RuntimeError by its name otherwise."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {limit_s:g} s: {what}")
        time.sleep(LOOK_S)


def moved(settings: Settings, topic: Topic, since: dict[int, int]) -> bool:
    """Whether a topic has grown."""
    return ends(settings, topic) != since


def spread(values: list[float]) -> dict[str, float]:
    """Count, median and maximum."""
    ordered = sorted(values)
    return {"n": len(ordered), "p50": ordered[len(ordered) // 2], "max": ordered[-1]} if ordered else {"n": 0}


def judged(figures: dict[str, Any], *more: str, falls: bool = False) -> dict[str, Any]:
    """The figures with what they break, `more` being breaches that only the scenario can know."""
    broken = [*breaches(figures, falls), *more]
    if figures.get("lag"):
        broken.append(f"lag {figures['lag']}")
    if figures.get("exits"):
        broken.append(f"{figures['exits']} workers ended by themselves")
    return figures | {"breaches": broken}
