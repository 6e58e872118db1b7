"""slate.load: event → slate at rates from quiet to more than is held, and in bursts, beside two bare loops.

All of it in one run of less than twelve minutes, so that the figures can be compared with each other.
"""

from collections.abc import Sequence

import numpy as np

from schemas.settings.model import Settings
from tests.bench.answers import BURST_EVERY_S, BURST_S, Measured, Traffic
from tests.bench.engines import Running
from tests.bench.ground import Ground
from tests.bench.results import Goal, Result, percentiles
from tests.bench.slates import BARE, FRESHET, GOALS_MS, measured, more_of, relays, system
from tests.bench.world import World

STEADY = (100, 1000, 2000, 3000)  # events a second
MOST = 7000  # comes last: what it leaves unanswered would delay the next
BURSTS = (100, 300)  # events a second between bursts of ten times as many
BURST = 10
SECONDS, SETTLES_S, WARMS_S = 20, 5, 30
MOST_MS = {**GOALS_MS, 3000: (60, 150)}  # goals: p50 and p99 by steady rate
MOST_P99_MS = 1500  # goal at the highest rate


def load(ground: Ground) -> list[Result]:
    """Event → slate in ms at each rate and in bursts, of both agents and of two bare loops in a row."""
    with system(ground, "load.") as (settings, world, agents):
        ours = [_row(FRESHET, found) for found in _under_load(ground, settings, world, agents)]
    with relays(ground, "load-bare.") as (settings, world, loops):
        return [*ours, *(_row(BARE, found) for found in _under_load(ground, settings, world, loops))]


def _under_load(ground: Ground, settings: Settings, world: World, agents: Sequence[Running]) -> list[Measured]:
    warming = Traffic(world, 1000, ground.size(WARMS_S, 1), 1, "warming")
    measured(ground, settings, warming, agents)
    return [measured(ground, settings, traffic, agents) for traffic in _traffics(ground, world)]


def _traffics(ground: Ground, world: World) -> list[Traffic]:
    seconds, settles_s = ground.size(SECONDS, 2), ground.size(SETTLES_S, 1)
    steady = [(rate, 1) for rate in ground.size(STEADY, STEADY[:1])]
    bursts = [(rate, BURST) for rate in ground.size(BURSTS, BURSTS[:1])]
    kinds = [*steady, *bursts, *ground.size([(MOST, 1)], [])]
    return [Traffic(world, rate, seconds, settles_s, f"load-{rate}-{burst}", burst) for rate, burst in kinds]


def _row(engine: str, found: Measured) -> Result:
    traffic = found.traffic
    p50, p99 = percentiles(found.delays_ms) if found.delays_ms else (float("nan"), float("nan"))
    slowest = float(np.percentile(found.delays_ms, 99.9)) if found.delays_ms else float("nan")
    more = {"ms_p99": p99, "ms_p99.9": slowest, "held": float(found.held), **more_of(found)}
    goals = _goals(found, p50, p99) if engine == FRESHET and traffic.burst == 1 else []
    note = f"bursts: {BURST} times the rate in {BURST_S} s of {BURST_EVERY_S}"
    return Result("slate.load", p50, "ms_p50", _condition(traffic), engine, more, note, found.fault, goals)


def _condition(traffic: Traffic) -> str:
    steady = f"{traffic.rate:,} events/s"
    return steady if traffic.burst == 1 else f"{steady}, bursts of {traffic.rate * traffic.burst:,}"


def _goals(found: Measured, p50: float, p99: float) -> list[Goal]:
    rate = found.traffic.rate
    if rate == MOST:
        return [Goal(f"{rate:,}/s held, p99 {p99:,.0f} ms, at most {MOST_P99_MS:,}", found.held and p99 <= MOST_P99_MS)]
    if rate not in MOST_MS:
        return []
    most_p50, most_p99 = MOST_MS[rate]
    return [
        Goal(f"{rate:,}/s: p50 {p50:.1f} ms, at most {most_p50}", p50 <= most_p50),
        Goal(f"{rate:,}/s: p99 {p99:.1f} ms, at most {most_p99}", p99 <= most_p99),
    ]
