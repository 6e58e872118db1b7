"""reference.live: what an event costs, and how soon it is in its person's state on the changelog, at an even pace.

Each engine runs the reference fold at rising rates, one after the other in the same process. The same traffic runs
for some seconds before each measurement. CPU time counts from the first measured event until every event is covered
by a state on the changelog, so it holds what the engine spends on waiting, too. Where an engine does not keep pace,
that is said, and higher rates are left out.
"""

from collections.abc import Sequence
from statistics import mean

from schemas.settings.model import Settings
from tests.bench.answers import Measured, Traffic
from tests.bench.engines import (
    AIOKAFKA,
    CONFLUENT,
    FAUST,
    FRESHET,
    QUIX,
    QUIX_SHORT,
    Engine,
    in_turns,
    running,
    source_of,
)
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result, percentiles
from tests.bench.traffic import ANSWER_S, measure
from tests.bench.wire import marks, newest_until, of_mark, publish
from tests.bench.work import REFERENCE
from tests.bench.world import World

NAME = "reference.live"
RATES = (100, 1000, 5000)
WORLD = World(videos=10_000, people=5000)
ENGINES = (FRESHET, FAUST, QUIX, QUIX_SHORT, AIOKAFKA, CONFLUENT)


def live(ground: Ground, engines: Sequence[Engine] = ENGINES) -> list[Result]:
    """CPU µs an event and event → state in ms, of each engine at each rate."""
    traffics = [Traffic(WORLD, rate, ground.size(8, 1), ground.size(2, 1), f"live-{rate}") for rate in RATES]
    runs = in_turns(ground, NAME, engines, lambda engine, settings: _lived(engine, settings, traffics))
    return [row for number, rate in enumerate(RATES) for row in _rows(runs, number, rate)]


def _lived(engine: Engine, settings: Settings, traffics: Sequence[Traffic]) -> list[Measured]:
    """One run of one engine, up to the first rate that it does not hold."""
    output, measured = engine.output(settings), []
    with running(engine.name, engine.command(settings, REFERENCE), settings) as process:
        publish(settings, source_of(settings), marks(settings, "first", START_MS))
        newest_until(settings, output, of_mark("first"), process.check)
        for traffic in traffics:
            measured.append(measure(settings, traffic, output, REFERENCE.name, [process]))
            if not measured[-1].kept_pace:
                break
    return measured


def _rows(runs: dict[str, list[list[Measured]]], number: int, rate: int) -> list[Result]:
    at = f"{rate:,} events/s"
    rows = []
    for engine, of_engine in runs.items():
        if reached := [run[number] for run in of_engine if len(run) > number]:
            rows.append(_row(engine, at, reached))
    return rows


def _row(engine: str, at: str, runs: Sequence[Measured]) -> Result:
    p50, p99 = percentiles([ms for run in runs for ms in run.delays_ms])
    more = {"ms_p50": p50, "ms_p99": p99, "coalesced": mean(run.coalesced for run in runs)}
    cpu_us = mean(1e6 * run.cpu_s[0] / run.traffic.count for run in runs)
    slow = [run for run in runs if not run.kept_pace]
    note = f"{engine} does not keep pace at {at}; {_how(slow[0])}" if slow else ""
    fault = "; ".join(f"{engine} at {at}: {run.fault}" for run in runs if run.fault)
    return Result(NAME, cpu_us, "cpu_us/event", at, engine, more, note, fault)


def _how(slow: Measured) -> str:
    left = f"{slow.unanswered:,} events were in no state after {ANSWER_S:g} s"
    return f"it was never less than {slow.backlog.least:,} events behind in the second half, and {left}"
