"""The vectors of a process that does not hold those of all videos: those of late, from an index elsewhere."""

from typing import NamedTuple

import numpy as np

from ranker.catalogue.arrays import Rows, Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.index import RemoteIndex
from ranker.retrieval.neighbour_cache import grown


class Lacking(NamedTuple):
    """Rows whose vectors count as zero for now, although the index has them."""

    unanswered: Rows  # by the index
    crowded_out: Rows  # more were asked for together than there is room for


class VectorCache:
    """So many vectors, of which the ones used longest ago go first; what it does not have counts as zero.

    What is asked of the index together is in it together, as far as there is room.
    """

    def __init__(self, index: RemoteIndex, catalogue: Catalogue, capacity: int) -> None:
        self.index, self.catalogue, self.capacity = index, catalogue, capacity
        self.of, self.turn = (catalogue.compactions, ""), 0
        self._clear()

    def _clear(self) -> None:
        self.slot_of: Rows = np.empty(0, np.int32)  # by row
        self.video: Rows = np.full(self.capacity, -1, np.int32)  # by slot
        self.used = np.zeros(self.capacity, np.int64)  # by slot: the turn of its last use
        self.vectors: Vectors = np.zeros((self.capacity + 1, self.catalogue.dim), np.float32)  # the last: of no video

    def take(self, rows: Rows, out: Vectors | None = None) -> Vectors:
        """The vectors of these rows [..., D]."""
        self.slot_of = grown(self.slot_of, self.catalogue.size)
        return self.vectors.take(self.slot_of[rows], axis=0, out=out, mode="wrap")

    async def fetch(self, rows: Rows) -> Lacking:
        """Have the vectors of these rows, of which -1 stands for none; returns those that could not be had."""
        of = self.catalogue.compactions, self.index.coverage.generation
        if self.of != of:  # rows have other numbers, or what was not in the index may be in this one
            self.of = of
            self._clear()
        self.slot_of = grown(self.slot_of, self.catalogue.size)
        self.turn += 1
        wanted = self._held_there(np.unique(rows[rows >= 0]))
        slots = self.slot_of[wanted]
        self.used[slots[slots >= 0]] = self.turn
        absent = wanted[slots < 0]
        if not len(absent):
            return Lacking(absent, absent)
        ids = [self.catalogue.ids[row] for row in absent.tolist()]
        found = await self.index.vectors(ids)
        answered = np.array([video_id in found for video_id in ids], np.bool_)
        room = self.capacity - int((slots >= 0).sum())
        self._store(absent[answered][:room], [found[video_id] for video_id in ids if video_id in found][:room])
        return Lacking(absent[~answered], absent[answered][room:])

    def _held_there(self, rows: Rows) -> Rows:
        """Those that are in the index for certain: what is newer has its vector a moment later."""
        kept: Rows = rows[self.catalogue.has_vector[rows] & (rows < self.index.coverage.rows)]
        return kept

    def _store(self, rows: Rows, vectors: list[Vectors | None]) -> None:
        if not len(rows):
            return
        slots = self.used.argpartition(len(rows) - 1)[: len(rows)]
        overwritten = self.video[slots]
        self.slot_of[overwritten[overwritten >= 0]] = -1
        self.slot_of[rows], self.video[slots], self.used[slots] = slots, rows, self.turn
        for slot, vector in zip(slots.tolist(), vectors, strict=True):
            self.vectors[slot] = 0 if vector is None else vector
