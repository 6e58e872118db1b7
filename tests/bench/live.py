"""profiles.live: what an event costs, and how soon it is in its person's state, at an even pace.

The same traffic runs for some seconds before, unmeasured. CPU time counts from the first measured event until
every event is covered by a state on the changelog, so it holds what the engine spends on waiting, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from schemas.settings import Settings
from schemas.topics import FEEDBACK, PROFILES
from tests.bench.engines import FRESHET, PEERS, Engine, by_run, in_turns, running
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
    """CPU µs an event and event → state in ms, of Freshet and of the peer, in turns."""
    traffic = Traffic(WORLD, RATE, ground.size(10, 1), ground.size(3, 1), "live")
    runs = in_turns(ground, "live", lambda engine, settings: _lived(engine, settings, traffic))
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


def _rows(peer: str, runs: dict[str, list[Lived]], traffic: Traffic) -> list[Result]:
    mine, its = runs[FRESHET.name], runs[peer]
    at, fault = f"{traffic.rate:,} events/s", "; ".join(run.fault for run in (*mine, *its) if run.fault)
    more = {f"run_{n}": run.cpu_us for n, run in enumerate(mine)}
    more |= {f"peer_run_{n}": run.cpu_us for n, run in enumerate(its)}
    note = f"by run {by_run(FRESHET.name, [r.cpu_us for r in mine])}, {by_run(peer, [r.cpu_us for r in its])}"
    cost = Result(NAME, _cost(mine), "cpu_us/event", at, peer, _cost(its), more=more, note=note, fault=fault)
    figures = zip(("ms_p50", "ms_p99"), _delays(mine), _delays(its), strict=True)
    return [cost, *(Result(NAME, here, unit, at, peer, there, fault=fault) for unit, here, there in figures)]


def _cost(runs: Sequence[Lived]) -> float:
    return mean(run.cpu_us for run in runs)


def _delays(runs: Sequence[Lived]) -> tuple[float, float]:
    return percentiles([ms for run in runs for ms in run.measured.delays_ms])
