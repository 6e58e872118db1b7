"""index.silent: event to slate while Qdrant is silent, beside a system that has no Qdrant."""

import time
from contextlib import ExitStack

from rich.console import Console

from schemas.settings.model import Settings
from streams.demo.latency import Milliseconds, Now, measure_events
from streams.demo.log import Recorded, simulated
from streams.demo.screen import Screen
from streams.demo.stage import Stage, stage
from streams.demo.story import fill_catalogue, play_log
from tests.bench.ground import Ground
from tests.bench.results import Goal, Result
from tests.support.qdrant_stub import SILENCE, QdrantStub, aside
from tests.support.system import wait_until

EVENTS, ROUNDS = 1000, 7  # of 200 events each, by turns in the one and the other
AGAIN = "slates are made with the vector index again"


def silent(ground: Ground) -> list[Result]:
    """50 events a second are answered by both systems by turns; the medians of their percentiles."""
    log = simulated(0, ground.size(EVENTS, 100), time.time_ns() // 1_000_000)
    with (ground.folder / "silence").open("w") as out, ExitStack() as running:
        screen = Screen(console=Console(file=out))
        stub = running.enter_context(aside(QdrantStub()))

        def on(name: str, url: str) -> Stage:
            folder = ground.folder / name
            folder.mkdir()
            flags = {"bootstrap": ground.bootstrap, "prefix": f"{name}.", "data_dir": folder}
            settings: Settings = ground.settings(**flags, qdrant_url=url)
            begun = running.enter_context(stage(settings, folder, False, False, screen))
            fill_catalogue(begun, log)
            play_log(begun, log)
            return begun

        plain, watched = on("without", ""), on("silent", stub.url)
        said = watched.agents.output("ranker")
        wait_until("the index is used", lambda: AGAIN in said.read_text("utf-8"))
        stub.always = SILENCE
        now = Now(log.last_ms)
        rounds = [(ranked(plain, log, now), ranked(watched, log, now)) for _ in range(ground.size(ROUNDS, 1))]
    without, beside = (median([pair[place] for pair in rounds]) for place in (0, 1))
    ratio = beside.p99 / without.p99
    goals = [Goal(f"p99 ≤ 1.2 × without Qdrant ({ratio:.2f})", ratio <= 1.2)]
    more = {"p99": beside.p99, "p50 without": without.p50, "p99 without": without.p99}
    note = f"{len(rounds)} rounds of {without.times} events in each, by turns"
    return [Result("index.silent", beside.p50, "ms", "a silent Qdrant, p50", more=more, goals=goals, note=note)]


def ranked(on: Stage, log: Recorded, now: Now) -> Milliseconds:
    """One round."""
    return measure_events(on, log, now)


def median(found: list[Milliseconds]) -> Milliseconds:
    """The one in the middle by its p99."""
    return sorted(found, key=lambda one: one.p99)[len(found) // 2]
