"""ranker.slates: slates a second on one core, the pipeline alone.

Cold: nothing is known of any video's neighbours. Warm: the same people once more, as when they act again.
"""

import asyncio
import time
from collections.abc import Sequence

from ranker.candidates import Query
from ranker.catalogue import Catalogue
from ranker.index import ExactIndex
from ranker.pipeline import Pipeline, home
from ranker.profile import Arrival, Profile, fold_all
from ranker.trends import TrendCounts, merge
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result
from tests.bench.world import World

NAME = "ranker.slates"
BATCHES = (32, 1)
EVENTS_A_PERSON = 30
WARM_PASSES = 3


def slates(ground: Ground) -> list[Result]:
    """At two sizes of the catalogue, in batches and one by one, cold and warm."""
    people = ground.size(512, 64)
    rows = []
    for videos in ground.size((10_000, 100_000), (10_000,)):
        catalogue, queries = _asked(World(videos, people, zipf=False))
        for batch in BATCHES:
            rows += _measured(catalogue, queries, batch)
    return rows


def _asked(world: World) -> tuple[Catalogue, list[Query]]:
    """A catalogue with trends, and one query a person."""
    profiles: dict[str, Profile] = {}
    counts = TrendCounts()
    clock = iter(range(START_MS, START_MS + 1000 * EVENTS_A_PERSON * world.people, 1000))
    made = world.events(EVENTS_A_PERSON * world.people, "e", lambda: next(clock))
    folded = fold_all(profiles, [Arrival(event, "log", 0, offset) for offset, event in enumerate(made)], 10**12)
    counts.take(folded.accepted)
    catalogue = Catalogue()
    catalogue.add(world.entries(START_MS))
    now_ms = max(profile.newest_ms for profile in folded.changed.values())
    catalogue.advance(now_ms, merge([counts]))
    queries = [Query(user, one.version, now_ms, one) for user, one in sorted(folded.changed.items())]
    return catalogue, queries


def _measured(catalogue: Catalogue, queries: Sequence[Query], batch: int) -> list[Result]:
    pipeline = home(ExactIndex(catalogue), catalogue)  # a new one remembers no neighbours
    _ = catalogue.tops  # made once a tick, not once a slate
    cold_s = _pass(pipeline, queries, batch)
    warm_s = min(_pass(pipeline, queries, batch) for _ in range(WARM_PASSES))
    at = f"{len(catalogue):,} videos, batch {batch}"
    note = f"{len(queries)} people with {EVENTS_A_PERSON} events each; warm is the best of {WARM_PASSES} passes"
    return [
        Result(NAME, len(queries) / cpu_s, "slates/s/core", f"{at}, {how}", note=note)
        for how, cpu_s in (("cold", cold_s), ("warm", warm_s))
    ]


def _pass(pipeline: Pipeline, queries: Sequence[Query], batch: int) -> float:
    async def answer_all() -> None:
        for start in range(0, len(queries), batch):
            await pipeline.answer(queries[start : start + batch])

    began_s = time.process_time()
    asyncio.run(answer_all())
    return time.process_time() - began_s
