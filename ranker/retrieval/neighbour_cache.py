"""A cache of the neighbours of videos: people's interests repeat, so most slates need no search at all.

A cached answer has the same bits as a new search: rows that were added since are compared in the same tiles, and an
entry with a retired video is dropped.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Mask, Rows, Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.exact import BLOCK, NO_SCORE, TILE, ExactIndex, products
from ranker.retrieval.index import Coverage, Hits, IndexElsewhere, VideoIndex

CAPACITY = 100_000  # videos; about 0.3 KiB each with 32 neighbours
MIN_SLOTS = 1024  # allocated at first, and doubled when they are used up
PREFETCH_ROWS = 256  # examined at once for videos to prefetch
CHUNK = 32  # videos that an index elsewhere is asked for at once: what came before a silence is kept


class NeighbourCache:
    """The k nearest videos of a video, by an index or from the cache: rows, best first, −1 where there are fewer.

    The cache is a table with a slot for each video. When all slots are used, the oldest entry is overwritten. A short
    answer of an index that is not exact is not remembered: it may be for want of videos that come later.
    """

    def __init__(self, index: VideoIndex, catalogue: Catalogue, k: int, capacity: int = CAPACITY) -> None:
        if not catalogue.holds_vectors:
            raise ValueError("neighbours are compared in this process, which holds no vectors; ask for people instead")
        self.index = index
        self.catalogue = catalogue
        self.k = k
        self.capacity = capacity
        self.compactions = catalogue.compactions
        self.is_exact = isinstance(index, ExactIndex)
        self.elsewhere = index if isinstance(index, IndexElsewhere) else None
        self.block = BLOCK if self.is_exact else 1  # searches that cost no more than one
        self.generation = ""  # of an index elsewhere, whose answers these are
        self.clear()

    def clear(self) -> None:
        """Forget all entries."""
        k = self.k
        self.prefetched = 0  # rows below were examined for videos to prefetch
        self.next = self.used = 0  # slot to write next, and how many are in use
        self.slot_of: Rows = np.empty(0, np.int32)  # by row
        self.video: Rows = np.empty(0, np.int32)  # by slot, like all that follows
        self.rows: Rows = np.empty((0, k), np.int32)
        self.scores: Vectors = np.empty((0, k), np.float32)
        self.size: Rows = np.empty(0, np.int32)  # of the catalogue when the entry was brought up to date
        self.retirements: Rows = np.empty(0, np.int32)  # of the catalogue at that time

    def known(self, videos: Rows) -> tuple[Rows, Mask]:
        """The cached neighbours of these rows [V, k], brought up to date, and which of the rows are cached [V]."""
        generation = self._coverage().generation
        if self.compactions != self.catalogue.compactions or self.generation != generation:
            self.compactions, self.generation = self.catalogue.compactions, generation
            self.clear()
        self.slot_of = grown(self.slot_of, self.catalogue.size)
        self._drop_retired(self.slot_of[videos])
        slots = self.slot_of[videos]
        known = slots >= 0
        self._catch_up(slots[known])
        near = np.full((len(videos), self.k), -1, np.int32)
        near[known] = self.rows[slots[known]]
        return near, known

    async def find(self, videos: Rows) -> Rows:
        """The nearest videos of these rows [V, k]; raises IndexUnavailable."""
        near, known = self.known(videos)
        if known.all():
            return near
        missing, inverse = np.unique(videos[~known], return_inverse=True)
        missing = np.concatenate([missing, self._to_prefetch(-len(missing) % self.block, missing)])
        chunk = len(missing) if self.is_exact else CHUNK
        parts = [await self._search(missing[start : start + chunk]) for start in range(0, len(missing), chunk)]
        near[~known] = np.concatenate(parts)[inverse]
        return near

    async def _search(self, videos: Rows) -> Rows:
        """Ask the index for the neighbours of these rows, and remember them."""
        size, retirements = self.catalogue.size, self.catalogue.retirements  # both may grow while the index answers
        before = self._coverage()
        hits = await self.index.near(self.catalogue.vectors[videos], self.k)
        rows, scores = self._in_rows(hits, size)
        covered, kept = min(before.rows, size), np.arange(len(videos))
        if not self.is_exact:
            kept = np.flatnonzero([len(hit.video_ids) >= self.k for hit in hits])
            kept = kept if covered and self._coverage().generation == before.generation == self.generation else kept[:0]
        of_rows, of_scores = (rows, scores) if covered == size else self._in_rows(hits, covered)
        newest = kept[-self.capacity :]
        if len(newest):
            self._store(videos[newest], of_rows[newest], of_scores[newest], covered, retirements)
        return rows

    def _coverage(self) -> Coverage:
        return self.elsewhere.coverage if self.elsewhere is not None else Coverage("", self.catalogue.size)

    def _to_prefetch(self, count: int, but: Rows) -> Rows:
        """Up to `count` videos to search before they are asked for, as long as that overwrites no entry."""
        if not count or len(but) + count > self.capacity - self.used:
            return but[:0]
        rows = np.arange(self.prefetched, min(self.prefetched + PREFETCH_ROWS, self.catalogue.size), dtype=np.int32)
        wanted = self.catalogue.is_active[rows] & self.catalogue.has_vector[rows] & (self.slot_of[rows] < 0)
        wanted[np.isin(rows, but)] = False
        chosen = rows[wanted][:count]
        self.prefetched = int(chosen[-1]) + 1 if len(chosen) == count else self.prefetched + len(rows)
        return chosen

    def _drop_retired(self, slots: Rows) -> None:
        slots = slots[slots >= 0]
        slots = slots[self.retirements[slots] != self.catalogue.retirements]
        if len(slots):
            rows = self.rows[slots]
            valid = (self.catalogue.is_active[rows] | (rows < 0)).all(axis=1)
            self.retirements[slots[valid]] = self.catalogue.retirements
            self.slot_of[self.video[slots[~valid]]] = -1

    def _catch_up(self, slots: Rows) -> None:
        behind = slots[self.size[slots] != self.catalogue.size]
        for start in sorted(set(self.size[behind].tolist())):
            same_size = np.unique(behind[self.size[behind] == start])
            for first in range(0, len(same_size), BLOCK):
                self._extend(same_size[first : first + BLOCK], start)

    def _extend(self, slots: Rows, start: int) -> None:
        """Compare with the rows from `start` on, which were added since."""
        catalogue, base = self.catalogue, start // TILE * TILE
        scores = products(catalogue.vectors[self.video[slots]], catalogue.vectors, start, catalogue.size)
        stop = base + scores.shape[1]
        added = catalogue.is_active[base:stop] & catalogue.has_vector[base:stop]
        added[: start - base] = False
        for slot, of_slot in zip(slots.tolist(), scores, strict=False):
            better = np.flatnonzero((of_slot >= self.scores[slot, -1]) & added)
            if len(better):
                rows = np.concatenate([self.rows[slot], better.astype(np.int32) + np.int32(base)])
                values = np.concatenate([self.scores[slot], of_slot[better]])
                best = np.lexsort((catalogue.order[rows], -values))[: self.k]
                self.rows[slot], self.scores[slot] = rows[best], values[best]
        self.size[slots] = catalogue.size

    def _in_rows(self, hits: Sequence[Hits], size: int) -> tuple[Rows, Vectors]:
        """The hits as rows and scores; the index may know more videos than the catalogue, or fewer."""
        rows = np.full((len(hits), self.k), -1, np.int32)
        scores = np.full((len(hits), self.k), NO_SCORE, np.float32)
        for hit, of_rows, of_scores in zip(hits, rows, scores, strict=True):
            found = np.array([self.catalogue.row_of.get(video_id, -1) for video_id in hit.video_ids], np.int32)
            known = (found >= 0) & (found < size)
            of_rows[: known.sum()], of_scores[: known.sum()] = found[known], hit.scores[known]
        return rows, scores

    def _store(self, videos: Rows, rows: Rows, scores: Vectors, size: int, retirements: int) -> None:
        slots = (self.next + np.arange(len(videos), dtype=np.int32)) % self.capacity
        self.next = (self.next + len(videos)) % self.capacity
        self.used = min(self.used + len(videos), self.capacity)
        self._allocate(int(slots.max()) + 1)
        overwritten = self.video[slots]
        overwritten = overwritten[(overwritten >= 0) & (self.slot_of[overwritten] == slots)]
        self.slot_of[overwritten] = -1
        self.slot_of[videos], self.video[slots] = slots, videos
        self.rows[slots], self.scores[slots] = rows, scores
        self.size[slots], self.retirements[slots] = size, retirements

    def _allocate(self, count: int) -> None:
        for name in ("video", "rows", "scores", "size", "retirements"):
            setattr(self, name, grown(getattr(self, name), count))


def grown(column: NDArray[Any], count: int) -> NDArray[Any]:
    """The column with room for `count` rows, at least doubled if it has less; new rows hold −1."""
    if len(column) >= count:
        return column
    more = max(count, 2 * len(column), MIN_SLOTS) - len(column)
    return np.concatenate([column, np.full((more, *column.shape[1:]), -1, column.dtype)])
