"""profiles.backlog: what an event costs when very many are waiting.

Each engine is started on empty topics of its own, folds one event of each partition, and so is ready: imports,
joining the group and recovery are over. Then it is halted (SIGSTOP), the backlog is published, and it goes on
(SIGCONT). Its CPU time counts from there until the changelog holds the last event of every partition; nothing is
subtracted. What the engines wrote is compared with a fold of the same events in this process.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from ranker.profile import Arrival, Profile, fold_all
from ranker.state import state_digest, unpack
from schemas import events
from schemas.settings import Settings
from schemas.topics import FEEDBACK, PROFILES
from streams.trouble import Trouble
from tests.bench.engines import FRESHET, PEERS, Engine, Running, by_run, in_turns, running
from tests.bench.ground import START_MS, Ground
from tests.bench.machine import cpu_seconds
from tests.bench.results import Result
from tests.bench.wire import Outgoing, keys, marks, newest_until, publish
from tests.bench.world import World

NAME = "profiles.backlog"
PEOPLE, VIDEOS = 5000, 10_000
HALT_S = 8.0  # longer than that, and the group may give its partitions away: its sessions last 10 s


@dataclass(frozen=True)
class Backlog:
    """Records in the order of their publishing: the first make ready, the last are waited for."""

    first: list[Outgoing]
    between: list[Outgoing]
    last: list[Outgoing]

    def digest(self, settings: Settings) -> str:
        """The state digest that is right."""
        everything = [events.decode(value) for _, value in (*self.first, *self.between, *self.last)]
        arrivals = [Arrival(event, "", 0, offset) for offset, event in enumerate(everything)]
        profiles: dict[str, Profile] = {}
        for start in range(0, len(arrivals), 500):
            profiles.update(fold_all(profiles, arrivals[start : start + 500], settings.late_ms).changed)
        return state_digest(profiles.items())


@dataclass(frozen=True)
class Drained:
    """One engine's run over the backlog."""

    cpu_s: float
    wall_s: float
    digest: str


def backlog(ground: Ground) -> list[Result]:
    """CPU µs and events a second of Freshet and of the peer, side by side, in alternating order."""
    count = ground.size(100_000, 5000)
    records = _records(count, ground.settings())
    right = records.digest(ground.settings())
    runs = in_turns(ground, "backlog", lambda engine, settings: _drained(engine, settings, records))
    return [row for peer in PEERS for row in _rows(peer.name, runs, len(records.between), right, records)]


def _records(count: int, settings: Settings) -> Backlog:
    clock = iter(range(START_MS, START_MS + count))  # a thousand events to a second of event time
    world = World(VIDEOS, PEOPLE, zipf=False)
    made = world.events(count, "e", lambda: next(clock))
    between = [Outgoing(event.user_id.encode(), events.encode(event)) for event in made]
    return Backlog(marks(settings, "first", START_MS), between, marks(settings, "last", START_MS + count))


def _drained(engine: Engine, settings: Settings, records: Backlog) -> Drained:
    with running(engine.name, engine.command(settings), settings) as process:
        publish(settings, FEEDBACK, records.first)
        newest_until(settings, PROFILES, keys(records.first), process.check)
        _publish_halted(process, settings, records)
        cpu_s, began_s = cpu_seconds(process.pid), time.monotonic()
        os.kill(process.pid, signal.SIGCONT)
        newest = newest_until(settings, PROFILES, keys(records.last), process.check)
        wall_s = time.monotonic() - began_s
        cpu_s = cpu_seconds(process.pid) - cpu_s
    return Drained(cpu_s, wall_s, state_digest((key.decode(), unpack(value)) for key, value in newest.items()))


def _publish_halted(process: Running, settings: Settings, records: Backlog) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    publish(settings, FEEDBACK, records.between)
    publish(settings, FEEDBACK, records.last)
    if (halted_s := time.monotonic() - began_s) > HALT_S:
        cause = f"Publishing took {halted_s:.1f} s, during which {process.name} was halted: it may have lost its place."
        raise Trouble(cause, "Measure again on a quiet machine.")


def _rows(peer: str, runs: dict[str, list[Drained]], count: int, right: str, records: Backlog) -> Sequence[Result]:
    mine, its = runs[FRESHET.name], runs[peer]
    wrong = [name for name, of_engine in runs.items() if any(run.digest != right for run in of_engine)]
    fault = f"the state of {', '.join(wrong)} differs from a fold of the same events" if wrong else ""
    size = sum(len(value) for _, value in records.between) // count
    costs, peers = ([1e6 * run.cpu_s / count for run in of_engine] for of_engine in (mine, its))
    said = "" if wrong else "; all states are equal to a fold of the same events"
    note = (
        f"{count:,} events of {size} bytes, {PEOPLE:,} people; by run {by_run(FRESHET.name, costs)}, "
        f"{by_run(peer, peers)}{said}"
    )
    at = f"{count:,} events"
    more = {f"run_{n}": cost for n, cost in enumerate(costs)}
    more |= {f"peer_run_{n}": cost for n, cost in enumerate(peers)}
    cpu = Result(NAME, mean(costs), "cpu_us/event", at, peer, mean(peers), more=more, note=note, fault=fault)
    pace = Result(NAME, _pace(mine, count), "events/s", at, peer, _pace(its, count), fault=fault)
    return cpu, pace


def _pace(runs: Sequence[Drained], count: int) -> float:
    return count * len(runs) / sum(run.wall_s for run in runs)
