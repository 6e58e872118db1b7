"""The neighbours of videos, by an index elsewhere, for a process that holds no vectors to compare."""

from collections.abc import Sequence
from typing import NamedTuple

from ranker.catalogue.arrays import Rows
from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.index import RemoteIndex, Taste

CAPACITY = 20_000  # videos; some 0.35 KiB each with 32 neighbours
NEWER = 100  # one in so many videos may be newer than a list


class Kept(NamedTuple):
    """The neighbours of a video, best first, and of how many rows of the catalogue they are the nearest."""

    rows: Rows
    covered: int


class NeighbourLists:
    """The k nearest videos of a video: asked for by its id, and remembered, as people's interests repeat.

    Later uploads cannot be compared here. So a list is asked for again once one video in a hundred that the index holds
    is newer than it, and when one of its videos is withdrawn. Of the lists the oldest go first.
    """

    def __init__(self, index: RemoteIndex, catalogue: Catalogue, k: int, capacity: int = CAPACITY) -> None:
        self.index, self.catalogue, self.k, self.capacity = index, catalogue, k, capacity
        self._of = (catalogue.compactions, "")
        self._kept: dict[int, Kept] = {}  # by row, in the order in which they came

    async def find(self, videos: Sequence[int]) -> dict[int, Rows | None]:
        """The neighbours of these rows by row; None where there is no answer. Rows that came later are left out."""
        generation, covered = self.index.coverage
        of = self.catalogue.compactions, generation
        if self._of != of:  # rows have other numbers, or it is another index
            self._of, self._kept = of, {}
        wanted = [row for row in dict.fromkeys(videos) if row < covered]
        found: dict[int, Rows | None] = {row: self._kept[row].rows for row in wanted if self._is_current(row, covered)}
        absent = [row for row in wanted if row not in found]
        return found | await self._ask(absent, covered) if absent else found

    async def _ask(self, videos: Sequence[int], covered: int) -> dict[int, Rows | None]:
        of, found = self._of, dict[int, Rows | None]()
        answers = await self.index.near_people([Taste((self.catalogue.ids[row],)) for row in videos], self.k)
        for row, ids in zip(videos, answers, strict=True):
            rows = found[row] = None if ids is None else self.catalogue.rows(ids)
            if rows is not None and len(rows) >= self.k and self.index.coverage.generation == of[1]:
                self._keep(row, Kept(rows, covered))
        return found

    def _keep(self, row: int, one: Kept) -> None:
        self._kept.pop(row, None)
        self._kept[row] = one
        if len(self._kept) > self.capacity:
            del self._kept[next(iter(self._kept))]

    def _is_current(self, row: int, covered: int) -> bool:
        one = self._kept.get(row)
        if one is None or NEWER * (covered - one.covered) > covered:
            return False
        return bool(self.catalogue.is_active[one.rows].all())
