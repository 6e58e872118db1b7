"""slate.latency: from an event to the slate that takes it into account, through Kafka and both agents."""

import time
from contextlib import ExitStack

from schemas import events, videos
from schemas.settings import Settings
from schemas.topics import FEATURES, FEEDBACK, RECOMMENDATIONS
from streams import up
from tests.bench.engines import Running, running
from tests.bench.ground import Ground
from tests.bench.results import Result, percentiles
from tests.bench.traffic import ANSWER_S, Measured, Traffic, as_sent, measure, per_second
from tests.bench.wire import Outgoing, keys, marks, newest_until, publish
from tests.bench.world import World

NAME = "slate.latency"
RATES = (200, 1000)  # events a second


def latency(ground: Ground) -> list[Result]:
    """Event → slate in ms at two rates; people have a history, and neighbours are as warm as that makes them."""
    world = World(videos=ground.size(10_000, 2000), people=ground.size(5000, 500))
    settings, now_ms = ground.with_topics("slates."), int(time.time() * 1000)
    features = (Outgoing(one.video_id.encode(), videos.encode(one)) for one in world.encoded(now_ms))
    publish(settings, FEATURES, features)
    rows = []
    with ExitStack() as stack:
        agents = [
            stack.enter_context(running(name, command, settings))
            for name, command in up.workers(("profiles", "ranker")).items()
        ]
        _warm_up(settings, world, ground.size(10_000, 300), agents)
        for rate in RATES:
            rows += _at(settings, Traffic(world, rate, ground.size(20, 1), ground.size(3, 1), f"live-{rate}"), agents)
    return rows


def _warm_up(settings: Settings, world: World, count: int, agents: list[Running]) -> None:
    """Give people a history, and return when all of it has its slates."""
    made = world.events(count, "before", lambda: int(time.time() * 1000))
    publish(settings, FEEDBACK, (Outgoing(one.user_id.encode(), events.encode(one)) for one in made))
    last = marks(settings, "last", int(time.time() * 1000))
    publish(settings, FEEDBACK, last)
    newest_until(settings, RECOMMENDATIONS, keys(last), lambda: _check(agents))


def _check(agents: list[Running]) -> None:
    for agent in agents:
        agent.check()


def _at(settings: Settings, traffic: Traffic, agents: list[Running]) -> list[Result]:
    measured = measure(settings, traffic, RECOMMENDATIONS, agents)
    more = {
        "slates_per_s": per_second(measured),
        "coalesced": 1 - measured.answers / traffic.count,
        "unanswered": measured.unanswered,
        "profiles_cpu_us_per_event": 1e6 * measured.cpu_s[0] / traffic.count,
        "ranker_cpu_us_per_slate": 1e6 * measured.cpu_s[1] / max(1, measured.answers),
    }
    at, note = f"{traffic.rate:,} events/s", _said(traffic, more)
    units = zip(("ms_p50", "ms_p99"), percentiles(measured.delays_ms), strict=True)
    fault = _fault(traffic, measured)
    return [Result(NAME, value, unit, at, more=more, note=note, fault=fault) for unit, value in units]


def _said(traffic: Traffic, more: dict[str, float]) -> str:
    return (
        f"at {traffic.rate:,} events/s {more['slates_per_s']:.0f} slates/s, {more['coalesced']:.0%} of the events "
        f"share a slate with a later one, {more['unanswered']} unanswered; CPU: profiles "
        f"{more['profiles_cpu_us_per_event']:.0f} µs an event, ranker {more['ranker_cpu_us_per_slate']:.0f} µs a slate"
    )


def _fault(traffic: Traffic, measured: Measured) -> str:
    if measured.unanswered:
        return (
            f"at {traffic.rate:,} events/s {measured.unanswered} of {traffic.count} events had no slate "
            f"{ANSWER_S:g} s after the last one"
        )
    late = as_sent(traffic, measured)
    return f"at {traffic.rate:,} events/s {late}" if late else ""
