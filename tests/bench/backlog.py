"""reference.backlog and profiles.backlog: what an event costs when very many are waiting.

Each engine is started on empty topics of its own, folds one event of each partition, and so is ready: imports,
joining the group and recovery are over. Then it is halted (SIGSTOP), the backlog is published, and it goes on
(SIGCONT). Its CPU time counts from there until the changelog holds the last event of every partition; nothing is
subtracted. What the engines wrote is compared with a fold of the same events in this process.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from schemas.messages import feedback
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.records import partition_of
from tests.bench.engines import ENGINES, FRESHET, QUIX, Engine, Running, in_turns, running, source_of
from tests.bench.ground import KUAIRAND, START_MS, Ground
from tests.bench.machine import cpu_seconds
from tests.bench.results import Goal, Result, percentiles
from tests.bench.wire import Found, Outgoing, marks, newest_until, of_mark, publish
from tests.bench.work import PROFILES, REFERENCE, Work, user_of
from tests.bench.world import World
from tests.support.paths import DATA

WORLD = World(videos=10_000, people=5000, zipf=False)
BATCH = 20_000  # of the fold alone: each person's newest state is packed once a batch, as poll_records has it
HALT_S = 8.0  # longer than that, and the group may give its partitions away: its sessions last 10 s


@dataclass(frozen=True)
class Backlog:
    """Records in the order of their publishing: the first make ready, the last are waited for."""

    name: str
    work: Work
    first: list[Outgoing]
    between: list[Outgoing]
    last: list[Outgoing]


@dataclass(frozen=True)
class Drained:
    """One engine's run over the backlog."""

    cpu_us: float  # an event
    pace: float  # events a second
    coalesced: float  # share of the events that have no state of their own on the changelog
    bytes: tuple[float, float]  # of a person's packed state at the end, p50 and p99
    digest: str
    events: int  # that the states hold


def reference(ground: Ground, engines: Sequence[Engine] = ENGINES) -> list[Result]:
    """The reference fold: events of 165 bytes, 5,000 people, a state of about 190 bytes."""
    count = ground.size(200_000, 5000)
    records = _around(ground, "reference.backlog", REFERENCE, reference_events(count), START_MS + count)
    return _compared(ground, records, engines)


def reference_events(count: int) -> list[Outgoing]:
    """So many events of 165 bytes, a thousand to a second of event time."""
    clock = iter(range(START_MS, START_MS + count))
    made = WORLD.events(count, "reference-row", lambda: next(clock))
    return [Outgoing(event.user_id.encode(), feedback.encode(event)) for event in made]


def profiles(ground: Ground, engines: Sequence[Engine] = ENGINES) -> list[Result]:
    """Freshet's profiles agent, and its peers with the same fold, on the KuaiRand log."""
    if ground.log.name != KUAIRAND:
        print(f"profiles.backlog: left out, as there is no KuaiRand log in {DATA}", file=sys.stderr)
        return []
    log = ground.log.feedback()
    between = [Outgoing(event.user_id.encode(), feedback.encode(event)) for event in log]
    end_ms = max(event.at_ms for event in log)
    return _compared(ground, _around(ground, "profiles.backlog", PROFILES, between, end_ms), engines)


def _around(ground: Ground, name: str, work: Work, between: list[Outgoing], end_ms: int) -> Backlog:
    settings = ground.settings()
    return Backlog(name, work, marks(settings, "first", START_MS), between, marks(settings, "last", end_ms))


def _compared(ground: Ground, records: Backlog, engines: Sequence[Engine]) -> list[Result]:
    runs = in_turns(ground, records.name, engines, lambda engine, settings: _drained(engine, settings, records))
    alone = _alone(records, ground.settings())
    what = "made-up" if records.work is REFERENCE else ground.log.name
    size = sum(len(value) for _, value in records.between) // len(records.between)
    people = len({one.key for one in records.between})
    note = f"{what} events of {size} bytes, {people:,} people; the pace of Quix Streams holds its wait for a checkpoint"
    rows = [row(records, name, of_engine, alone, note) for name, of_engine in runs.items()]
    return [*rows, row(records, "the fold alone", [alone], alone, note, _goals(records, runs))]


def _drained(engine: Engine, settings: Settings, records: Backlog) -> Drained:
    output = engine.output(settings)
    with running(engine.name, engine.command(settings, records.work), settings) as process:
        publish(settings, source_of(settings), records.first)
        newest_until(settings, output, of_mark("first"), process.check)
        _publish_halted(process, settings, records)
        cpu_s, began_s = cpu_seconds(process.pid), time.monotonic()
        os.kill(process.pid, signal.SIGCONT)
        found = newest_until(settings, output, of_mark("last"), process.check)
        wall_s = time.monotonic() - began_s
        cpu_s = cpu_seconds(process.pid) - cpu_s
    return _made_of(found, records, cpu_s, wall_s)


def _publish_halted(process: Running, settings: Settings, records: Backlog) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    publish(settings, source_of(settings), records.between)
    publish(settings, source_of(settings), records.last)
    if (halted_s := time.monotonic() - began_s) > HALT_S:
        cause = f"Publishing took {halted_s:.1f} s, during which {process.name} was halted: it may have lost its place."
        raise OperatorError(cause, "Measure again on a quiet machine.")


def _made_of(found: Found, records: Backlog, cpu_s: float, wall_s: float) -> Drained:
    work, count = records.work, len(records.between) + len(records.last)
    states = [(user_of(key), work.unpack(value)) for key, value in found.newest.items()]
    return Drained(
        cpu_us=1e6 * cpu_s / count,
        pace=count / wall_s,
        coalesced=1 - (found.records - len(records.first)) / count,
        bytes=percentiles([len(value) for value in found.newest.values()]),
        digest=work.digest(states),
        events=sum(work.events_in(state) for _, state in states),
    )


def _alone(records: Backlog, settings: Settings) -> Drained:
    """The fold in this process, without any transport; its states are what the engines' have to be equal to."""
    states: dict[bytes, object] = {}
    packed: dict[bytes, bytes] = {}
    changed: set[bytes] = set()
    work, sent, source = records.work, len(records.first), source_of(settings)
    cpu_s, began_s = time.process_time(), time.monotonic()
    for number, (key, value) in enumerate((*records.first, *records.between, *records.last)):
        after = work.apply(states.get(key), value, source, partition_of(key, settings.partitions), number)
        if after is not None:
            states[key] = after
            changed.add(key)
        if not number % BATCH:
            packed |= {user: work.pack(states[user]) for user in changed}
            sent += len(changed)
            changed.clear()
    packed |= {user: work.pack(states[user]) for user in changed}
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - began_s
    return _made_of(Found(packed, sent + len(changed)), records, cpu_s, wall_s)


def row(
    records: Backlog, engine: str, runs: Sequence[Drained], right: Drained, note: str, goals: Sequence[Goal] = ()
) -> Result:
    """What one engine's runs came to; a fault where its states are not the fold's."""
    wrong = [run for run in runs if (run.digest, run.events) != (right.digest, right.events)]
    fault = (
        f"{engine}: {wrong[0].events} of {right.events} events, or their states differ from the fold's" if wrong else ""
    )
    more = {
        "events/s": mean(run.pace for run in runs),
        "coalesced": mean(run.coalesced for run in runs),
        "bytes_p50": runs[0].bytes[0],
        "bytes_p99": runs[0].bytes[1],
    }
    more |= {f"run_{number}": run.cpu_us for number, run in enumerate(runs, 1) if len(runs) > 1}
    at = f"{len(records.between):,} events"
    return Result(records.name, _cpu(runs), "cpu_us/event", at, engine, more, note, fault, goals)


def _goals(records: Backlog, runs: dict[str, list[Drained]]) -> Sequence[Goal]:
    if not {FRESHET.name, QUIX.name} <= runs.keys():
        return ()
    mine = _cpu(runs[FRESHET.name])
    share = mine / _cpu(runs[QUIX.name])
    if records.work is PROFILES:
        return [Goal(f"{share:.2f} of Quix State's CPU with the same fold, at most 0.5", share <= 0.5)]
    return [
        Goal(f"{mine:.1f} µs CPU an event, at most 6 (and never above 10)", mine <= 6),
        Goal(f"{share:.2f} of Quix State's CPU, under a third", share < 1 / 3),
    ]


def _cpu(runs: Sequence[Drained]) -> float:
    return mean(run.cpu_us for run in runs)
