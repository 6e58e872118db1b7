"""Neighbours of videos, remembered: people's interests repeat, so most slates need no search at all.

What is remembered has the bits of a fresh search: rows that were added since are looked at, in the same
tiles, and an entry in which a video died is found anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranker.catalogue import Catalogue, Rows, Vectors
from ranker.index import BLOCK, NOWHERE, TILE, Hits, VideoIndex, products

REMEMBERED = 50_000  # videos; about 0.7 KiB each with 32 neighbours


@dataclass(slots=True)
class Near:
    """The videos nearest to one: rows and scores, best first, among the rows below `size`."""

    rows: Rows
    scores: Vectors
    size: int  # of the catalogue when it was looked at
    deaths: int  # likewise


class Neighbours:
    """The k nearest videos of a video, by an index or from memory."""

    def __init__(self, index: VideoIndex, catalogue: Catalogue, k: int, remembered: int = REMEMBERED) -> None:
        self.index = index
        self.catalogue = catalogue
        self.k = k
        self.remembered = remembered
        self.near: dict[int, Near] = {}

    def known(self, rows: Sequence[int]) -> dict[int, Near]:
        """What is remembered of these rows, brought up to date."""
        right = {row: near for row in rows if (near := self._right(row)) is not None}
        behind: dict[int, list[int]] = {}
        for row, near in right.items():
            if near.size != self.catalogue.size:
                behind.setdefault(near.size, []).append(row)
        for size in sorted(behind):
            for start in range(0, len(behind[size]), BLOCK):
                self._extend(behind[size][start : start + BLOCK], size)
        return right

    async def find(self, rows: Sequence[int]) -> dict[int, Near]:
        """The nearest videos of these rows, none twice; raises IndexUnavailable."""
        found = self.known(rows)
        missing = [row for row in rows if row not in found]
        if not missing:
            return found
        size, deaths = self.catalogue.size, self.catalogue.deaths  # more may come while the index answers
        hits = await self.index.near(self.catalogue.vectors[missing], self.k)
        for row, hit in zip(missing, hits, strict=True):
            self.near[row] = found[row] = self._read(hit, size, deaths)
        for row in list(self.near)[: max(0, len(self.near) - self.remembered)]:
            del self.near[row]  # the oldest
        return found

    def _right(self, row: int) -> Near | None:
        near = self.near.get(row)
        if near is not None and near.deaths != self.catalogue.deaths:
            if not self.catalogue.alive[near.rows].all():
                del self.near[row]
                return None
            near.deaths = self.catalogue.deaths
        return near

    def _read(self, hit: Hits, size: int, deaths: int) -> Near:
        rows = [self.catalogue.row_of.get(video_id, -1) for video_id in hit.video_ids]
        found = np.array(rows, np.int32)
        here = (found >= 0) & (found < size)  # an index may know more, or less, than the catalogue
        return Near(found[here], hit.scores[here], size, deaths)

    def _extend(self, rows: Sequence[int], start: int) -> None:
        catalogue, k = self.catalogue, self.k
        scores = products(catalogue.vectors[list(rows)], catalogue.vectors, start, catalogue.size)
        base = start // TILE * TILE
        stop = base + scores.shape[1]
        new = catalogue.alive[base:stop] & catalogue.has_vector[base:stop]
        new[: start - base] = False
        np.copyto(scores, NOWHERE, where=~new)
        for row, of_row in zip(rows, scores, strict=False):
            near = self.near[row]
            near.size = catalogue.size
            floor = near.scores[-1] if len(near.rows) >= k else NOWHERE
            better = np.flatnonzero((of_row >= floor) & new).astype(np.int32)
            if len(better):
                found = np.concatenate([near.rows, better + np.int32(base)])
                values = np.concatenate([near.scores, of_row[better]])
                first = np.lexsort((catalogue.order[found], -values))[:k]
                near.rows, near.scores = found[first], values[first]
