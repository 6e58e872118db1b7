"""profiles.live: what an event costs, and how soon it is in its person's state, at an even pace.

The same traffic runs for some seconds before, unmeasured. CPU time counts from the first measured event until
every event is covered by a state on the changelog, so it holds what the engine spends on waiting, too.
"""

from dataclasses import dataclass

from schemas.settings import Settings
from schemas.topics import FEEDBACK, PROFILES
from tests.bench.engines import ENGINES, FRESHET, PEERS, Engine, running
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result, percentiles
from tests.bench.traffic import Measured, Traffic, as_sent, measure
from tests.bench.wire import keys, marks, newest_until, publish
from tests.bench.world import World

NAME = "profiles.live"
RATE = 1000
WORLD = World(videos=10_000, people=5000)


@dataclass(frozen=True)
class Lived:
    """One engine's run."""

    cpu_us: float  # an event
    measured: Measured
    fault: str


def live(ground: Ground) -> list[Result]:
    """CPU µs an event and event → state in ms, of Freshet and of the peer, one after the other."""
    traffic = Traffic(WORLD, RATE, ground.size(20, 2), ground.size(5, 1), "live")
    runs = {
        engine.name: _lived(engine, ground.with_topics(f"live-{number}."), traffic)
        for number, engine in enumerate(ENGINES)
    }
    return [row for peer in PEERS for row in _rows(peer.name, runs, traffic)]


def _lived(engine: Engine, settings: Settings, traffic: Traffic) -> Lived:
    first = marks(settings, "first", START_MS)
    with running(engine.name, engine.command(settings), settings) as process:
        publish(settings, FEEDBACK, first)
        newest_until(settings, PROFILES, keys(first), process.check)
        measured = measure(settings, traffic, PROFILES, [process])
    return Lived(1e6 * measured.cpu_s[0] / traffic.count, measured, _fault(engine, traffic, measured))


def _fault(engine: Engine, traffic: Traffic, measured: Measured) -> str:
    if measured.unanswered:
        return f"{engine.name}: {measured.unanswered} events were in no state 10 s after the last one"
    late = as_sent(traffic, measured)
    return f"{engine.name}: {late}" if late else ""


def _rows(peer: str, runs: dict[str, Lived], traffic: Traffic) -> list[Result]:
    mine, its = runs[FRESHET.name], runs[peer]
    at, fault = f"{traffic.rate:,} events/s", mine.fault or its.fault
    rows = [Result(NAME, mine.cpu_us, "cpu_us/event", at, peer, its.cpu_us, fault=fault)]
    here, there = percentiles(mine.measured.delays_ms), percentiles(its.measured.delays_ms)
    units = ("ms_p50", "ms_p99")
    rows += [
        Result(NAME, value, unit, at, peer, of_peer, fault=fault)
        for unit, value, of_peer in zip(units, here, there, strict=True)
    ]
    return rows
