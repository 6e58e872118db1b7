"""index.retrieval: what it costs to find candidates in a server, in this process and, calculated, in the server.

A server of its own process finds what Qdrant would (tests/bench/exact_qdrant.py). Of this process the CPU is measured
from a call of the index to its answer: requests of real size are made, answers of real size are read. For the server
each search counts as much as one took on a real one.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TypeVar

from encoders.fusion.fusion import VERSION
from ranker.catalogue.catalogue import Catalogue
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.types import Query, Slate
from ranker.profile.codec import unpack
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import Hits, SearchFilter, Taste
from schemas.settings.model import Settings
from streams.qdrant.client import Patience, connect
from streams.qdrant.collection import DEFAULT
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Floats
from streams.qdrant.progress import Progress
from streams.qdrant.storage import Storage
from streams.qdrant.watched_index import Seen, WatchedIndex
from tests.bench.exact_qdrant import RECALL, exact_qdrant
from tests.bench.ground import START_MS, Ground
from tests.bench.ranking import People, _asked
from tests.bench.results import Goal, Result
from tests.bench.world import DIM, World

T = TypeVar("T")
NAME = "index.retrieval"
BATCH = 8
SEARCH_MS = 1.1  # CPU of Qdrant 1.19.0 for a query vector among 100,000 videos, in batches
MOST_MS, LEAST_OVERLAP = 6.0, 0.97
PATIENT = Patience(60.0, 120.0)


@dataclass
class Spent:
    """What was asked of the server, and the CPU of this process for it."""

    people: int
    cpu_s: float = 0.0
    searches: int = 0
    vectors: int = 0
    server_ms: float = 0.0


async def calculated(spent: Spent) -> float:
    """CPU of a server in ms, by how many searches there were."""
    return SEARCH_MS * spent.searches


Charge = Callable[[Spent], Awaitable[float]]  # what the server took since it was called last, in ms


class Metered(WatchedIndex):
    """The index as slates ask it, with all the time that it needs: the server here is slower than Qdrant."""

    spent = Spent(0)

    @property
    def _budget_s(self) -> float:
        return 60.0

    async def near(self, vectors: Floats, k: int, where: SearchFilter | None = None) -> list[Hits]:
        self.spent.searches += len(vectors)
        return await self._metered(super().near(vectors, k, where))

    async def near_people(self, tastes: Sequence[Taste], k: int) -> list[list[str] | None]:
        self.spent.searches += sum(len(taste.near) for taste in tastes)
        return await self._metered(super().near_people(tastes, k))

    async def vectors(self, video_ids: Sequence[str]) -> dict[str, Floats | None]:
        self.spent.vectors += len(video_ids)
        return await self._metered(super().vectors(video_ids))

    async def _metered(self, answer: Awaitable[T]) -> T:
        began_s = time.process_time()
        try:
            return await answer
        finally:
            self.spent.cpu_s += time.process_time() - began_s


def retrieval(ground: Ground) -> list[Result]:
    """With all embeddings held and with none, of people met for the first time and after one more event each."""
    videos, people = ground.size((100_000, 64), (2000, 16))
    catalogue, rounds = _asked(World(videos, people, zipf=False))
    bare = Catalogue(holds_vectors=False)
    bare.add(World(videos, people, zipf=False).entries(START_MS))
    bare.advance(catalogue.now_ms)
    bare.trend, bare.total_popularity = catalogue.trend, catalogue.total_popularity
    with exact_qdrant(videos) as url:
        return [
            row
            for how, of in (("all embeddings held", catalogue), ("none held", bare))
            for row in asyncio.run(measured(how, of, catalogue, rounds[:3], url))
        ]


async def measured(
    how: str,
    catalogue: Catalogue,
    whole: Catalogue,
    rounds: list[People],
    url: str,
    charge: Charge = calculated,
    storage: Storage = DEFAULT,
) -> list[Result]:
    """Of three quarters of the people as they are met; of the last quarter then, and after one more event of all."""
    index = QdrantIndex(connect(url), "videos", DIM, VERSION, reading=PATIENT, writing=PATIENT, storage=storage)
    await index.collection.note(await index.start(), [Progress(0, 1, 1, 1, "t")])
    watched = Metered(index, 1, lambda: Seen("t", {0: 1}, catalogue.size, catalogue.compactions))
    await watched.look()
    pipeline = home.build(FeedContext(catalogue, watched, Settings()))
    exact = home.build(FeedContext(whole, ExactIndex(whole), Settings()))
    gc.collect()
    gc.freeze()  # as the ranking agent does
    spent, overlaps = [], []
    (first, *later), met = rounds, len(rounds[0]) * 3 // 4
    for people in (first[:met], first[met:], *later):
        watched.spent = Spent(people=len(people))
        await charge(watched.spent)
        made = await answered(pipeline, people)
        watched.spent.server_ms = await charge(watched.spent)
        spent.append(watched.spent)
        overlaps.append(shared(made, await answered(exact, people)))
    await index.close()
    gc.unfreeze()
    turns = (("a process begins", spent[:1]), ("somebody else is met", spent[1:2]), ("one more event", spent[2:]))
    note = CALCULATED if charge is calculated else ""
    return [row(f"{len(whole):,} videos, {how}, {which}", of, min(overlaps), note) for which, of in turns]


CALCULATED = f"server: {SEARCH_MS:g} ms a search, as a real one took; one neighbour in {1 / (1 - RECALL):.0f} is missed"


def row(at: str, spent: list[Spent], overlap: float, note: str) -> Result:
    """Both shares, a person."""
    people = sum(one.people for one in spent)
    client_ms = 1000 * sum(one.cpu_s for one in spent) / people
    searches = sum(one.searches for one in spent) / people
    server_ms = sum(one.server_ms for one in spent) / people
    both_ms = client_ms + server_ms
    goals = [
        Goal(f"≤ {MOST_MS:g} ms a person in client and server ({both_ms:.1f})", both_ms <= MOST_MS),
        Goal(f"overlap@20 with exact ≥ {LEAST_OVERLAP} ({overlap:.3f})", overlap >= LEAST_OVERLAP),
    ]
    more = {
        "client_ms": client_ms,
        "server_ms": server_ms,
        "searches": searches,
        "vectors": sum(one.vectors for one in spent) / people,
        "overlap": overlap,
    }
    return Result(NAME, both_ms, "ms/person", at, more=more, note=note, goals=goals)


async def answered(pipeline: Pipeline, people: People) -> list[Slate]:
    """Slates of all of them, in batches."""
    found: list[Slate] = []
    for start in range(0, len(people), BATCH):
        profiles = [(user, unpack(packed)) for user, packed in people[start : start + BATCH]]
        found += await pipeline.recommend([Query(user, one.version, one.newest_ms, one) for user, one in profiles])
    if any(slate.degraded for slate in found):
        raise RuntimeError("a slate was made without the server")
    return found


def shared(made: Sequence[Slate], wanted: Sequence[Slate]) -> float:
    """The mean share of a slate's videos that are in the other one, too."""
    ids = [[{item.video_id for item in slate.items} for slate in slates] for slates in (made, wanted)]
    return mean(len(one & two) / len(two) for one, two in zip(*ids, strict=True))
