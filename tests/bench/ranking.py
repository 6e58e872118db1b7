"""ranker.slates: slates a second on one core, from the bytes of a profile to those of its message, without Kafka.

Cold: nothing is known of any video's neighbours. Next: every person did one thing more since the slate before, as it
is live. Warm: the same profiles once more.
"""

import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import TrendCounts, merge
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.types import Query
from ranker.profile.codec import pack, unpack
from ranker.profile.fold import Arrival
from ranker.profile.model import Profile
from ranker.retrieval.exact import ExactIndex
from schemas.messages import recommendations
from schemas.settings.model import Settings
from streams.ranking.slates import Times, models_of, recommendation
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result
from tests.bench.world import World
from tests.support.events import fold_all

NAME = "ranker.slates"
BATCHES = (64, 8)
EVENTS_A_PERSON = 30
NEXT = 4  # things that every person does more
NO_TIMES = Times(0, 0.0)

People = list[tuple[str, bytes]]  # packed profiles


class QueryBatch(NamedTuple):
    """A catalogue with trends, everybody's profile, and the same after each further event."""

    catalogue: Catalogue
    rounds: list[People]


def slates(ground: Ground) -> list[Result]:
    """At two sizes of the catalogue, in large batches and small ones."""
    people = ground.size(512, 64)
    rows = []
    for videos in ground.size((10_000, 100_000), (10_000,)):
        asked = _asked(World(videos, people, zipf=False))
        for batch in BATCHES:
            rows += _measured(asked, batch)
    return rows


def _asked(world: World) -> QueryBatch:
    clock = iter(range(START_MS, START_MS + 1000 * 3 * EVENTS_A_PERSON * world.people, 1000))
    made = world.events(2 * EVENTS_A_PERSON * world.people, "e", lambda: next(clock))
    arrivals = [Arrival(event, "log", 0, offset) for offset, event in enumerate(made)]
    before = EVENTS_A_PERSON * world.people
    folded = fold_all({}, arrivals[:before], 10**12)
    counts, catalogue = TrendCounts(), Catalogue()
    counts.count(folded.batch)
    catalogue.add(world.entries(START_MS))
    catalogue.advance(max(profile.newest_ms for profile in folded.changed.values()), merge([counts]))
    return QueryBatch(catalogue, [_packed(folded.changed), *_rounds(folded.changed, arrivals[before:])])


def _rounds(profiles: dict[str, Profile], arrivals: Sequence[Arrival]) -> list[People]:
    """Everybody's next events, one a round."""
    left: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        left.setdefault(arrival.event.user_id, []).append(arrival)
    rounds = []
    for turn in range(NEXT):
        folded = fold_all(profiles, [theirs[turn] for theirs in left.values() if len(theirs) > turn], 10**12)
        profiles = {**profiles, **folded.changed}
        rounds.append(_packed(folded.changed))
    return rounds


def _packed(profiles: dict[str, Profile]) -> People:
    return [(user, pack(profile)) for user, profile in sorted(profiles.items())]


def _measured(asked: QueryBatch, batch: int) -> list[Result]:
    catalogue, (first, *rounds) = asked
    pipeline = home.build(
        FeedContext(catalogue, ExactIndex(catalogue), Settings())
    )  # a new one remembers no neighbours
    _ = catalogue.tops  # made once a tick, not once a slate
    cold_s = _pass(pipeline, first, batch)
    next_s = [_pass(pipeline, people, batch) for people in rounds]
    warm_s = [_pass(pipeline, rounds[-1], batch) for _ in rounds]
    at = f"{len(catalogue):,} videos, batch {batch}"
    note = (
        f"{len(first)} people with {EVENTS_A_PERSON} events each; next is the median of {NEXT} rounds of one more "
        f"event, warm the best of {NEXT} passes"
    )
    spent = (("cold", cold_s), ("next", median(next_s)), ("warm", min(warm_s)))
    return [
        Result(NAME, 1 / cpu_s, "slates/s/core", f"{at}, {how}", more={"cpu_us_per_slate": 1e6 * cpu_s}, note=note)
        for how, cpu_s in spent
    ]


def _pass(pipeline: Pipeline, people: People, batch: int) -> float:
    """CPU seconds a slate."""

    async def answer_all() -> None:
        for start in range(0, len(people), batch):
            await _answer(pipeline, people[start : start + batch])

    began_s = time.process_time()
    asyncio.run(answer_all())
    return (time.process_time() - began_s) / len(people)


async def _answer(pipeline: Pipeline, people: People) -> list[bytes]:
    """As the ranking agent does."""
    models = models_of(pipeline, "bench@1")
    profiles = [unpack(packed) for _, packed in people]
    queries = [Query(user, one.version, one.newest_ms, one) for (user, _), one in zip(people, profiles, strict=True)]
    made = zip(await pipeline.recommend(queries), profiles, strict=True)
    ready = [(drop_unavailable(slate, pipeline.catalogue), profile) for slate, profile in made]
    return [recommendations.encode(recommendation(slate, profile, models, NO_TIMES)) for slate, profile in ready]
