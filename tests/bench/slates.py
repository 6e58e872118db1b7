"""slate.latency and slate.rate: from an event to the slate that takes it into account, through both agents."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np

from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, RECOMMENDATIONS
from streams.worker import supervise
from tests.bench import bare_relay
from tests.bench.answers import Measured, Traffic
from tests.bench.engines import TOPICS_AS_SENT, Running, running
from tests.bench.ground import Ground
from tests.bench.results import Goal, Result, percentiles
from tests.bench.traffic import ANSWER_S, measure
from tests.bench.wire import Outgoing, marks, newest_until, of_mark, publish
from tests.bench.world import World

RATE = 1000  # events a second
STEPS = (1000, 2000, 3000, 5000, 7000)
STEP_S, SETTLES_S = 60, 12  # of one rate; before that, slates share more and more events until the pace is held
WARMS_S = 40  # of unmeasured traffic before the first rate: until the broker has optimised its code
HELD = 5000  # goal
GOALS_MS = {100: (10, 30), 1000: (18, 60)}  # p50 and p99 by events a second
RATIO = 3  # at most, of the slowest hundredth to that of two bare loops
FRESHET, BARE = "Freshet", "two bare loops"


def latency(ground: Ground) -> list[Result]:
    """Event → slate in ms at steady rates, of both agents and of two bare loops in a row.

    People have a history, and neighbours are as warm as that makes them.
    """
    with system(ground, "slates.") as (settings, world, agents):
        ours = _at_each_rate(ground, settings, world, agents)
    with relays(ground, "bare.") as (settings, world, loops):
        floor = _at_each_rate(ground, settings, world, loops)
    rows = [_latency_row(FRESHET, one, floor[rate]) for rate, one in ours.items()]
    return [*rows, *(_latency_row(BARE, one) for one in floor.values())]


def _at_each_rate(ground: Ground, settings: Settings, world: World, agents: list[Running]) -> dict[int, Measured]:
    found, warming = {}, Traffic(world, RATE, ground.size(WARMS_S, 1), 1, "warming")
    measured(ground, settings, warming, agents)
    for rate in ground.size(tuple(GOALS_MS), (1000,)):
        seconds = ground.size(300 if ground.long and rate == max(GOALS_MS) else 40, 2)
        traffic = Traffic(world, rate, seconds, ground.size(3, 1), f"steady-{rate}")
        found[rate] = measured(ground, settings, traffic, agents)
    return found


def _latency_row(engine: str, found: Measured, floor: Measured | None = None) -> Result:
    p50, p99 = percentiles(found.delays_ms)
    goals, rate = [], found.traffic.rate
    if floor is not None:
        most_p50, most_p99 = GOALS_MS[rate]
        ratio = p99 / percentiles(floor.delays_ms)[1]
        goals = [
            Goal(f"p50 {p50:.1f} ms, at most {most_p50}", p50 <= most_p50),
            Goal(f"p99 {p99:.1f} ms, at most {most_p99}", p99 <= most_p99),
            Goal(f"p99 {ratio:.1f} times that of two bare loops, at most {RATIO}", ratio <= RATIO),
            Goal(f"backlog grows by {found.backlog.growth:.1f} events a second, that is not", found.held),
        ]
    more = {"ms_p99": p99, "ms_p99.9": float(np.percentile(found.delays_ms, 99.9)), **more_of(found)}
    world = found.traffic.world
    note = (
        f"{found.traffic.count:,} events of {world.people:,} people (Zipf 1), {world.videos:,} videos, broker included"
    )
    fault = found.fault or unanswered_of(found)
    return Result("slate.latency", p50, "ms_p50", f"{rate:,} events/s", engine, more, note, fault, goals)


def highest_rate(ground: Ground) -> list[Result]:
    """The highest of some rates at which every event is answered and the backlog does not grow."""
    held, rows = 0, []
    with system(ground, "rates.") as (settings, world, agents):
        for rate in ground.size(STEPS, STEPS[:1]):
            traffic = Traffic(world, rate, ground.size(STEP_S, 2), ground.size(SETTLES_S, 1), f"step-{rate}")
            found = measured(ground, settings, traffic, agents)
            p50, p99 = percentiles(found.delays_ms)
            more = {"ms_p99": p99, "held": float(found.held), **more_of(found)}
            rows.append(Result("slate.rate", p50, "ms_p50", f"{rate:,} events/s", "", more, fault=found.fault))
            if not found.held or found.fault:
                break
            held = rate
    goal = Goal(f"{held:,} events a second held, at least {HELD:,}", held >= HELD)
    return [*rows, Result("slate.rate", held, "events/s held", "the highest of the steps", goals=[goal])]


@contextmanager
def system(
    ground: Ground, prefix: str, names: Sequence[str] = ("profiles", "ranker")
) -> Iterator[tuple[Settings, World, list[Running]]]:
    """Agents over a catalogue, warm: people have a history, and all of it has its slates."""
    world = World(videos=ground.size(10_000, 2000), people=ground.size(5000, 500))
    settings, now_ms = ground.with_topics(prefix), int(time.time() * 1000)
    features = (Outgoing(one.video_id.encode(), videos.encode(one)) for one in world.encoded(now_ms))
    publish(settings, FEATURES.full(settings.prefix), features)
    with ExitStack() as stack:
        agents = [
            stack.enter_context(running(name, command, settings)) for name, command in supervise.workers(names).items()
        ]
        _warm_up(settings, world, ground.size(10_000, 300), agents)
        yield settings, world, agents


@contextmanager
def relays(ground: Ground, prefix: str) -> Iterator[tuple[Settings, World, list[Running]]]:
    """Two bare loops in the agents' places."""
    world = World(videos=ground.size(10_000, 2000), people=ground.size(5000, 500))
    settings = ground.with_topics(prefix, TOPICS_AS_SENT)
    with ExitStack() as stack:
        loops = [
            stack.enter_context(running(name, command, settings))
            for name, command in bare_relay.commands(settings).items()
        ]
        _warm_up(settings, world, ground.size(10_000, 300), loops)
        yield settings, world, loops


def _warm_up(settings: Settings, world: World, count: int, agents: list[Running]) -> None:
    source = FEEDBACK.full(settings.prefix)
    made = world.events(count, "before", lambda: int(time.time() * 1000))
    publish(settings, source, (Outgoing(one.user_id.encode(), feedback.encode(one)) for one in made))
    publish(settings, source, marks(settings, "last", int(time.time() * 1000)))
    newest_until(settings, RECOMMENDATIONS.full(settings.prefix), of_mark("last"), lambda: _check(agents))


def _check(agents: list[Running]) -> None:
    for agent in agents:
        agent.check()


def measured(ground: Ground, settings: Settings, traffic: Traffic, agents: list[Running]) -> Measured:
    """CPU time is that of each agent, and of the broker last."""
    beside = [broker.pid] if (broker := ground.broker.process) else []
    return measure(settings, traffic, RECOMMENDATIONS.full(settings.prefix), "slate", agents, beside)


def more_of(found: Measured) -> dict[str, float]:
    """What belongs to a latency: slates, backlog, and CPU."""
    profiles_s, ranker_s, broker_s = found.cpu_s
    return {
        "slates/s": found.answers / found.sent_s,
        "coalesced": found.coalesced,
        "unanswered": found.unanswered,
        "growth/s": found.backlog.growth,
        "profiles_cpu_us/event": 1e6 * profiles_s / found.traffic.count,
        "ranker_cpu_us/slate": 1e6 * ranker_s / max(1, found.answers),
        "broker_cpu_us/event": 1e6 * broker_s / found.traffic.count,
    }


def unanswered_of(found: Measured) -> str:
    if not found.unanswered:
        return ""
    return f"{found.unanswered} of {found.traffic.count} events had no slate {ANSWER_S:g} s after the last one"
