"""Neighbours of videos, remembered: people's interests repeat, so most slates need no search at all.

What is remembered has the bits of a fresh search: rows that were added since are looked at, in the same
tiles, and an entry in which a video died is found anew.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue, Rows, Vectors
from ranker.retrieval.exact import BLOCK, NOWHERE, TILE, ExactIndex, products
from ranker.retrieval.index import Hits, VideoIndex

REMEMBERED = 100_000  # videos; about 0.3 KiB each with 32 neighbours
AT_FIRST = 1024  # places of the memory, doubled when they are full
AHEAD = 256  # rows looked through at once

Mask = NDArray[np.bool_]


class NeighbourCache:
    """The k nearest videos of a video, by an index or from memory: rows, best first, −1 where there are fewer.

    The memory is a table with a place for each video; when all are taken, the one that came first is forgotten.
    """

    def __init__(self, index: VideoIndex, catalogue: Catalogue, k: int, remembered: int = REMEMBERED) -> None:
        self.index = index
        self.catalogue = catalogue
        self.k = k
        self.remembered = remembered
        self.block = BLOCK if isinstance(index, ExactIndex) else 1  # searches that cost no more than one
        self.ahead = 0  # rows below were looked through for videos to find ahead
        self.next = self.taken = 0  # place, and how many are taken
        self.place_of: Rows = np.empty(0, np.int32)  # by row
        self.whose: Rows = np.empty(0, np.int32)  # by place, like all that follows
        self.rows: Rows = np.empty((0, k), np.int32)
        self.scores: Vectors = np.empty((0, k), np.float32)
        self.size: Rows = np.empty(0, np.int32)  # of the catalogue when it was looked at
        self.retirements: Rows = np.empty(0, np.int32)  # likewise

    def known(self, videos: Rows) -> tuple[Rows, Mask]:
        """What is remembered of these rows [V, k], brought up to date, and of which anything is [V]."""
        self.place_of = longer(self.place_of, self.catalogue.size)
        self._forget_dead(self.place_of[videos])
        places = self.place_of[videos]
        known = places >= 0
        self._catch_up(places[known])
        near = np.full((len(videos), self.k), -1, np.int32)
        near[known] = self.rows[places[known]]
        return near, known

    async def find(self, videos: Rows) -> Rows:
        """The nearest videos of these rows [V, k]; raises IndexUnavailable."""
        near, known = self.known(videos)
        if known.all():
            return near
        missing, again = np.unique(videos[~known], return_inverse=True)
        missing = np.concatenate([missing, self._not_asked_yet(-len(missing) % self.block, missing)])
        size, retirements = self.catalogue.size, self.catalogue.retirements  # more may come while the index answers
        hits = await self.index.near(self.catalogue.vectors[missing], self.k)
        rows, scores = self._read(hits, size)
        near[~known] = rows[again]
        last = slice(-self.remembered, None)
        self._remember(missing[last], rows[last], scores[last], size, retirements)
        return near

    def _not_asked_yet(self, count: int, but: Rows) -> Rows:
        """Up to so many videos to find ahead of their time, as long as nothing must be forgotten for them."""
        if not count or len(but) + count > self.remembered - self.taken:
            return but[:0]
        rows = np.arange(self.ahead, min(self.ahead + AHEAD, self.catalogue.size), dtype=np.int32)
        free = self.catalogue.is_active[rows] & self.catalogue.has_vector[rows] & (self.place_of[rows] < 0)
        free[np.isin(rows, but)] = False
        found = rows[free][:count]
        self.ahead = int(found[-1]) + 1 if len(found) == count else self.ahead + len(rows)
        return found

    def _forget_dead(self, places: Rows) -> None:
        places = places[places >= 0]
        places = places[self.retirements[places] != self.catalogue.retirements]
        if len(places):
            rows = self.rows[places]
            right = (self.catalogue.is_active[rows] | (rows < 0)).all(axis=1)
            self.retirements[places[right]] = self.catalogue.retirements
            self.place_of[self.whose[places[~right]]] = -1

    def _catch_up(self, places: Rows) -> None:
        behind = places[self.size[places] != self.catalogue.size]
        for start in sorted(set(self.size[behind].tolist())):
            alike = np.unique(behind[self.size[behind] == start])
            for first in range(0, len(alike), BLOCK):
                self._extend(alike[first : first + BLOCK], start)

    def _extend(self, places: Rows, start: int) -> None:
        """Look at the rows from `start` on, which were added since."""
        catalogue, base = self.catalogue, start // TILE * TILE
        scores = products(catalogue.vectors[self.whose[places]], catalogue.vectors, start, catalogue.size)
        stop = base + scores.shape[1]
        new = catalogue.is_active[base:stop] & catalogue.has_vector[base:stop]
        new[: start - base] = False
        for place, of_place in zip(places.tolist(), scores, strict=False):
            better = np.flatnonzero((of_place >= self.scores[place, -1]) & new)
            if len(better):
                rows = np.concatenate([self.rows[place], better.astype(np.int32) + np.int32(base)])
                values = np.concatenate([self.scores[place], of_place[better]])
                best = np.lexsort((catalogue.order[rows], -values))[: self.k]
                self.rows[place], self.scores[place] = rows[best], values[best]
        self.size[places] = catalogue.size

    def _read(self, hits: Sequence[Hits], size: int) -> tuple[Rows, Vectors]:
        """What an index found, in rows; it may know more, or less, than the catalogue."""
        rows = np.full((len(hits), self.k), -1, np.int32)
        scores = np.full((len(hits), self.k), NOWHERE, np.float32)
        for hit, of_rows, of_scores in zip(hits, rows, scores, strict=True):
            found = np.array([self.catalogue.row_of.get(video_id, -1) for video_id in hit.video_ids], np.int32)
            here = (found >= 0) & (found < size)
            of_rows[: here.sum()], of_scores[: here.sum()] = found[here], hit.scores[here]
        return rows, scores

    def _remember(self, videos: Rows, rows: Rows, scores: Vectors, size: int, retirements: int) -> None:
        places = (self.next + np.arange(len(videos), dtype=np.int32)) % self.remembered
        self.next = (self.next + len(videos)) % self.remembered
        self.taken = min(self.taken + len(videos), self.remembered)
        self._make_room(int(places.max()) + 1)
        before = self.whose[places]
        before = before[(before >= 0) & (self.place_of[before] == places)]
        self.place_of[before] = -1
        self.place_of[videos], self.whose[places] = places, videos
        self.rows[places], self.scores[places] = rows, scores
        self.size[places], self.retirements[places] = size, retirements

    def _make_room(self, count: int) -> None:
        for name in ("whose", "rows", "scores", "size", "retirements"):
            setattr(self, name, longer(getattr(self, name), count))


def longer(column: NDArray[Any], count: int) -> NDArray[Any]:
    """The column with room for `count` rows, at least doubled if it has less; what is new is −1."""
    if len(column) >= count:
        return column
    more = max(count, 2 * len(column), AT_FIRST) - len(column)
    return np.concatenate([column, np.full((more, *column.shape[1:]), -1, column.dtype)])
