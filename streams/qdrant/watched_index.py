"""A Qdrant index that never holds up a slate: opened and probed beside the work, and used while it is complete."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from encoders.fusion.embeddings import DIM
from ranker.retrieval.index import Coverage, Hits, IndexedVideo, IndexUnavailable, SearchFilter, Taste
from streams.qdrant import people
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Floats
from streams.qdrant.progress import Progress, share

T = TypeVar("T")
log = logging.getLogger("freshet.index")

LOOK_INTERVAL_S = 1.0
SEARCHES_AT_ONCE = 64  # who is in one request is missing together
VECTORS_AT_ONCE = 512  # about 1.5 MB of JSON
LOOK_LIMIT_S = 3.0  # beside the work, so nobody waits for it
LEAST_BUDGET_S, MOST_BUDGET_S = 0.25, 1.0  # of a slate, for one chunk of queries
SLOWER = 4.0  # times the slowest of late: then it does not answer
LONGEST_PAUSE_S = 30.0  # between two attempts of slates; a guess
STEADY_S = 60.0  # after so long of answers the pauses begin again at their shortest


class Seen(NamedTuple):
    """What this process has read of the catalogue's topic at one moment.

    positions    by partition, the offset behind what was read
    rows         of the catalogue
    compactions  of the catalogue: after another one rows have other numbers
    """

    topic_id: str
    positions: Mapping[int, int]
    rows: int
    compactions: int


class WatchedIndex:
    """`VideoIndex` for rankers: each call is answered in time, or raises IndexUnavailable at once.

    It counts as complete once the collection has come to where this process had read the catalogue. What it has not yet
    of later videos, `coverage` says.

    seen  what is read by now; None before everything was read that there was at the start
    """

    name = "qdrant"

    def __init__(
        self,
        index: QdrantIndex,
        partitions: int,
        seen: Callable[[], Seen | None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index, self._partitions, self._seen, self._now_s = index, partitions, seen, now_s
        self._generation = ""
        self._reached: dict[int, int] = {}
        self._pending: Seen | None = None  # what the collection has to come to
        self._covered: Seen | None = None  # what it has come to
        self._is_up, self._trouble = False, ""
        self._slowest_s = 0.0  # of late
        self._up_since_s = self._closed_until_s = float("-inf")
        self._pause_s = LOOK_INTERVAL_S

    @property
    def coverage(self) -> Coverage:
        """Which rows of the catalogue are surely in it."""
        seen, covered = self._seen(), self._covered
        is_valid = seen is not None and covered is not None and seen.compactions == covered.compactions
        return Coverage(self._generation, covered.rows if covered is not None and is_valid else 0)

    @property
    def is_up(self) -> bool:
        """Whether slates may ask it."""
        return self._is_up

    @property
    def is_complete(self) -> bool:
        """Whether the collection has come to where this process had read the catalogue."""
        return self._covered is not None

    async def run(self) -> None:
        """Look at the server again and again, for as long as the process lives: the only one who probes it."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Look once, and decide whether slates may use it."""
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                await self._look()
        except IndexUnavailable as error:
            self._goes(str(error))
        except TimeoutError:
            self._goes(f"Qdrant did not answer within {LOOK_LIMIT_S:g} s")

    async def near(self, vectors: Floats, k: int, where: SearchFilter | None = None) -> list[Hits]:
        """The nearest videos of each row, or IndexUnavailable at once or within a fraction of a second."""
        return await self._in_time(self._index.near(vectors, k, where))

    async def near_people(self, tastes: Sequence[Taste], k: int) -> list[list[str] | None]:
        """The k nearest videos of each interest of each person, None for those for whom there was no answer in time."""
        found: list[list[str] | None] = []
        for chunk in chunks(tastes, self._index.collection.limits.queries):
            try:
                found += await self._in_time(people.near_people(self._index, chunk, k))
            except IndexUnavailable:
                found += [None] * len(chunk)
        return found

    async def vectors(self, video_ids: Sequence[str]) -> dict[str, Floats | None]:
        """The vectors of videos, None for one that has none; without those of which there was no answer in time."""
        found: dict[str, Floats | None] = {}
        for start in range(0, len(video_ids), VECTORS_AT_ONCE):
            try:
                found |= await self._in_time(people.vectors(self._index, video_ids[start : start + VECTORS_AT_ONCE]))
            except IndexUnavailable:
                break
        return found

    async def _in_time(self, answer: Coroutine[None, None, T]) -> T:
        """An answer within the budget of a slate, or IndexUnavailable, and after that at once for a while."""
        if not self._is_up:
            answer.close()
            raise IndexUnavailable(self._trouble or "Qdrant was not looked at yet")
        began_s, budget_s = self._now_s(), self._budget_s
        try:
            async with asyncio.timeout(budget_s):
                found = await answer
        except (IndexUnavailable, TimeoutError) as error:
            self._slowest_s = 2 * budget_s / SLOWER  # a server that is slow, and not silent, gets more time
            self._closed_until_s = self._now_s() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._goes(str(error) or f"Qdrant did not answer within {budget_s:.2f} s")
            raise IndexUnavailable(self._trouble) from error
        self._slowest_s = max(self._now_s() - began_s, 0.95 * self._slowest_s)
        return found

    async def upsert(self, videos: Sequence[IndexedVideo]) -> None:
        """Write videos."""
        await self._index.upsert(videos)

    async def remove(self, video_ids: Sequence[str]) -> None:
        """Remove videos."""
        await self._index.remove(video_ids)

    async def count(self) -> int:
        """How many videos can be found."""
        return await self._index.count()

    async def close(self) -> None:
        """Close the connections."""
        await self._index.close()

    @property
    def _budget_s(self) -> float:
        return min(MOST_BUDGET_S, max(LEAST_BUDGET_S, SLOWER * self._slowest_s))

    async def _look(self) -> None:
        collection = self._index.collection
        if not self._is_up:
            await collection.check_server()
        generation = await collection.look()
        if generation is None:
            raise IndexUnavailable(f"Qdrant has no collection {collection.name}: `freshet worker indexer` makes it")
        found = await collection.progress(generation, range(self._partitions))
        self._take(generation, found)
        if self._covered is None:
            raise IndexUnavailable(f"Qdrant has {share(found, self._partitions)} so far")
        if not self._is_up and self._now_s() >= self._closed_until_s:
            await self._index.near(np.zeros((1, DIM), np.float32), 1)  # as a slate would ask
            self._comes()
        if self._now_s() - self._up_since_s > STEADY_S:
            self._pause_s = LOOK_INTERVAL_S

    def _take(self, generation: str, found: Mapping[int, Progress]) -> None:
        """Take in how far the collection is."""
        went_back = any(p not in found or found[p].reached < at for p, at in self._reached.items())
        if generation != self._generation or went_back:
            self._generation, self._pending, self._covered = generation, None, None
        self._reached = {p: one.reached for p, one in found.items()}
        seen = self._seen()
        if self._pending is None or seen is None or self._pending.compactions != seen.compactions:
            self._pending = seen
        if self._pending is not None and covers(found, self._pending):
            self._covered, self._pending = self._pending, None

    def _goes(self, trouble: str) -> None:
        """One line when it goes, whatever is met after that."""
        if self._is_up or not self._trouble:
            log.warning("slates are made without the vector index: %s", trouble)
        self._is_up, self._trouble = False, trouble

    def _comes(self) -> None:
        if self._trouble:
            log.info("slates are made with the vector index again")
        self._is_up, self._trouble, self._up_since_s = True, "", self._now_s()


def chunks(tastes: Sequence[Taste], most: int) -> Iterator[Sequence[Taste]]:
    """So many people at most, with so many searches for all of them, or one person.

    >>> [len(chunk) for chunk in chunks([Taste(("v1",) * 8)] * 9 + [Taste(("v1",))] * 70, 60)]
    [8, 57, 14]
    """
    start = searches = 0
    for place, taste in enumerate(tastes):
        searches += len(taste.near)
        if place > start and (searches > SEARCHES_AT_ONCE or place - start == most):
            yield tastes[start:place]
            start, searches = place, len(taste.near)
    if tastes:
        yield tastes[start:]


def covers(found: Mapping[int, Progress], seen: Seen) -> bool:
    """Whether a collection has everything that was read.

    >>> covers({0: Progress(0, 1, 5, 5, "t")}, Seen("t", {0: 5}, 3, 0)), covers({}, Seen("t", {0: 1}, 1, 0))
    (True, False)
    """
    return all(
        p in found and found[p].topic_id == seen.topic_id and found[p].reached >= at for p, at in seen.positions.items()
    )
