"""The catalogue: every video that may be shown, as columns of arrays that all stages of ranking share.

A row's content is written once and never changes: a newer upload gets a new row, and the old one is retired. So
neighbours that were found before stay right, and only the rows added since have to be compared. Between two polls a
compaction (compaction.py) may number all rows again.
"""

from array import array
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from math import log2
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Rows, Vectors
from ranker.catalogue.entry import Entry, VideoFacts, catalogue_entry_from, unit
from ranker.catalogue.moments import Moments
from ranker.catalogue.packed import ByRow, Facts, Ids, RowOf, Tags, Words, places_among
from ranker.catalogue.popularity import Popularity, people_per_unit
from ranker.catalogue.top_lists import SharedLists, TopLists, best
from ranker.profile.model import video_code
from schemas.messages.videos import CatalogueRecord, Encoded, Withdrawn

DIM = 256
GROWTH = 2048  # capacity is a multiple of this many rows
UNNAMED = -1  # code of a creator, category or language that was not named

TakeVectors = Callable[[Rows, Vectors | None], Vectors]  # of rows [..., D], as far as they are at hand, else zero

COLUMNS = (  # arrays that have a value for each row
    "vectors", "checksum", "has_vector", "is_active", "at_ms", "duration_ms", "creator", "category", "language", "code",
    "order", "trend", "total_popularity", "decayed_units", "restricted_until_ms",
)  # fmt: skip


class Catalogue:
    """Rows of videos; unknown and withdrawn ids are not found. Zero rows pad each column to its capacity."""

    def __init__(self, dim: int = DIM, encoder: str | None = None, holds_vectors: bool = True) -> None:
        self.dim = dim
        self.holds_vectors = holds_vectors  # otherwise they are taken from elsewhere
        self.elsewhere: TakeVectors | None = None
        self.encoder = encoder  # only its vectors are used; None: those of any encoder
        self.size = 0
        self.retirements = 0  # rows retired so far: cached neighbours of another count may hold a retired one
        self.compactions = 0  # row numbers from before another count mean nothing
        self.now_ms = 0  # of the last tick
        self.forget_names()
        self.vectors: Vectors = np.zeros((GROWTH, dim if holds_vectors else 0), np.float32)  # unit rows
        self.checksum: NDArray[np.uint32] = np.zeros(GROWTH, np.uint32)  # of the vector as it came
        self.has_vector: NDArray[np.bool_] = np.zeros(GROWTH, np.bool_)
        self.is_active: NDArray[np.bool_] = np.zeros(GROWTH, np.bool_)
        # event time before which a video is shown to its creator's followers alone
        self.restricted_until_ms: NDArray[np.int64] = np.zeros(GROWTH, np.int64)
        self.at_ms: NDArray[np.int64] = np.zeros(GROWTH, np.int64)
        self.duration_ms: NDArray[np.int32] = np.zeros(GROWTH, np.int32)  # 0: unknown
        self.creator: NDArray[np.int32] = np.zeros(GROWTH, np.int32)
        self.category: NDArray[np.int32] = np.zeros(GROWTH, np.int32)
        self.language: NDArray[np.int32] = np.zeros(GROWTH, np.int32)
        self.code: NDArray[np.uint32] = np.zeros(GROWTH, np.uint32)  # as in Profile.seen
        self.order: NDArray[np.int32] = np.zeros(GROWTH, np.int32)  # place among the sorted ids: breaks ties
        self._trend: Vectors = np.zeros(GROWTH, np.float32)
        self._is_trend_behind = False
        self.total_popularity: Vectors = np.zeros(GROWTH, np.float32)  # log2(1 + people)
        self.decayed_units: NDArray[np.float64] = np.zeros(GROWTH, np.float64)  # trend in the units of its period
        self.period = 0
        self.popularity_by_id: dict[str, tuple[float, float]] = {}  # decayed units and log2(1 + people) by video id
        self.withdrawn_ms: dict[str, int] = {}
        self.creators: dict[str, int] = {}
        self.categories: dict[str, int] = {}
        self.languages: dict[str, int] = {}
        self.by_creator: dict[int, array[int]] = {}
        self.by_id: Rows = np.empty(0, np.int32)  # all rows, sorted by id: the inverse of `order`
        self._lists = SharedLists()
        self.moments = Moments()

    def forget_names(self) -> None:
        """Begin again with what is known by row and name."""
        words = Words()
        self.ids: ByRow[str] = [] if self.holds_vectors else Ids()  # by row, like the next two
        self.tags: ByRow[tuple[str, ...]] = [] if self.holds_vectors else Tags(words)
        self.facts: ByRow[VideoFacts] = [] if self.holds_vectors else Facts(words)
        self.row_of: MutableMapping[str, int] = {} if self.holds_vectors else RowOf(self.ids)  # that may be shown

    def take_vectors(self, rows: Rows, out: Vectors | None = None) -> Vectors:
        """The vectors of rows [..., D], each −1 one of no meaning; where none are held, as far as they are at hand."""
        if self.elsewhere is not None:
            return self.elsewhere(rows, out)
        return self.vectors.take(rows, axis=0, out=out, mode="clip")

    def __len__(self) -> int:
        """How many videos may be shown."""
        return len(self.row_of)

    def apply(self, records: Iterable[CatalogueRecord]) -> int:
        """Apply records of features.v1 in their order; returns how many changed something."""
        before = self.size
        changed = 0
        for record in records:
            match record:
                case Encoded():
                    changed += self._append(catalogue_entry_from(record, self.dim, self.encoder))
                case Withdrawn():
                    changed += self._withdraw(record.video_id, record.at_ms)
        self._reindex(before)
        return changed

    def add(self, entries: Iterable[Entry]) -> int:
        """Add videos that do not come from features.v1; returns how many changed something."""
        before = self.size
        changed = sum(self._append(entry) for entry in entries)
        self._reindex(before)
        return changed

    def drop(self, video_ids: Iterable[str]) -> None:
        """Remove videos without remembering when, so that any upload brings them back."""
        for video_id in video_ids:
            self._retire(video_id)
        self._lists.forget()

    def advance(self, now_ms: int, popular: Popularity | None = None) -> None:
        """Advance to a tick: the shared lists become those of `now_ms`; `popular` is what was counted meanwhile."""
        self.now_ms = now_ms
        if popular is not None:
            self._count(popular)
        self._is_trend_behind = True
        self._lists.tick()
        self.moments.tick()

    @property
    def people_per_unit(self) -> float:
        """What one of `decayed_units` is worth at the last tick, in people."""
        return people_per_unit(self.period, self.now_ms // 1000)

    @property
    def trend(self) -> Vectors:
        """log2(1 + decayed people) at the last tick, by row; computed where it is asked for."""
        if self._is_trend_behind:
            self._is_trend_behind = False
            self._trend[: self.size] = self.trend_of(self.decayed_units[: self.size])
        return self._trend

    @trend.setter
    def trend(self, trend: Vectors) -> None:
        self._trend, self._is_trend_behind = trend, False

    def trend_of(self, units: NDArray[np.float64]) -> Vectors:
        """The trend of so many units at the last tick."""
        return np.log2(1.0 + units * self.people_per_unit).astype(np.float32)

    def _count(self, popular: Popularity) -> None:
        if popular.period != self.period:
            self._lists.forget()
        self.period = popular.period
        for video_id, trend, total in zip(popular.video_ids, popular.trend, popular.total_popularity, strict=True):
            counted = self.popularity_by_id[video_id] = (float(trend), log2(1.0 + total))  # kept for a later upload too
            if (row := self.row_of.get(video_id)) is not None:
                self.moments.note(row, self.decayed_units, self.total_popularity)
                self.decayed_units[row], self.total_popularity[row] = counted
                self._lists.count(row, counted[0], float(self.total_popularity[row]))  # as float32 has it

    @property
    def tops(self) -> TopLists:
        """The shared lists, computed once for each state of the catalogue and each tick."""
        return self._lists.of(self)

    def best(self, rows: Rows, values: NDArray[Any], k: int) -> Rows:
        """The k rows of the highest `values` [capacity], best first, ties by id."""
        return best(rows, values[rows], self.order, k)

    def rows(self, video_ids: Sequence[str]) -> Rows:
        """The rows of those of the videos that may be shown, in the given order."""
        return np.array([self.row_of[v] for v in video_ids if v in self.row_of], np.int32)

    def newest_of(self, creator: int, k: int) -> Rows:
        """The newest videos of one creator, computed once until the catalogue changes."""
        return self._lists.newest_of(creator, k, self)

    def _append(self, entry: Entry) -> bool:
        if self._is_old(entry) or self._is_repeat(entry):
            return False
        _ = self.trend  # of the rows before, at the last tick
        if self.size == len(self.is_active):
            self._grow()
        row, self.size = self.size, self.size + 1
        before = self.row_of.get(entry.video_id)
        if before is not None:  # a new upload keeps the counts of the old one until the next tick
            self.trend[row], self.total_popularity[row] = self.trend[before], self.total_popularity[before]
        self._retire(entry.video_id)
        self.withdrawn_ms.pop(entry.video_id, None)
        self.ids.append(entry.video_id)
        self.tags.append(entry.tags)
        self.facts.append(entry.facts)
        self._keep_vector(row, entry.vector)
        self.is_active[row], self.at_ms[row], self.duration_ms[row] = True, entry.at_ms, entry.duration_ms or 0
        self.restricted_until_ms[row] = entry.restricted_until_ms
        self.creator[row], self.category[row], self.language[row] = self._codes(entry)
        self.code[row] = video_code(entry.video_id)
        self.decayed_units[row], self.total_popularity[row] = self.popularity_by_id.get(entry.video_id, (0.0, 0.0))
        self.row_of[entry.video_id] = row
        self.by_creator.setdefault(int(self.creator[row]), array("i")).append(row)
        return True

    def _is_old(self, entry: Entry) -> bool:
        row = self.row_of.get(entry.video_id)
        known_ms = self.withdrawn_ms.get(entry.video_id, -1) if row is None else int(self.at_ms[row]) - 1
        return entry.at_ms <= known_ms  # of two uploads with the same time the later record wins, as in compaction

    def _is_repeat(self, entry: Entry) -> bool:
        row = self.row_of.get(entry.video_id)
        if row is None or self.at_ms[row] != entry.at_ms or self.tags[row] != entry.tags:
            return False
        if self.facts[row] != entry.facts:
            return False
        same = (self.creator[row], self.category[row], self.language[row]) == self._codes(entry)
        same = same and self.duration_ms[row] == (entry.duration_ms or 0)
        same = same and self.restricted_until_ms[row] == entry.restricted_until_ms
        return bool(same and self._has_same_vector(row, entry.vector))

    def _keep_vector(self, row: int, vector: Vectors | None) -> None:
        if vector is not None:
            self.has_vector[row], self.checksum[row] = vector.any(), crc32(vector.tobytes())
            self.vectors[row] = unit(vector)[: self.vectors.shape[1]]

    def _has_same_vector(self, row: int, vector: Vectors | None) -> bool:
        if vector is None or not vector.any():
            return not self.has_vector[row]
        same = np.array_equal(unit(vector)[: self.vectors.shape[1]], self.vectors[row])
        return same and bool(self.checksum[row] == crc32(vector.tobytes()))

    def _codes(self, entry: Entry) -> tuple[int, int, int]:
        return (
            _code(self.creators, entry.creator_id),
            _code(self.categories, entry.category),
            _code(self.languages, entry.language),
        )

    def _withdraw(self, video_id: str, at_ms: int) -> bool:
        row = self.row_of.get(video_id)
        if at_ms < (self.withdrawn_ms.get(video_id, -1) if row is None else self.at_ms[row]):
            return False
        self._retire(video_id)
        self.withdrawn_ms[video_id] = at_ms
        return True

    def _retire(self, video_id: str) -> None:
        row = self.row_of.pop(video_id, None)
        if row is not None:
            self.is_active[row] = False
            self.retirements += 1

    def _grow(self) -> None:
        more = max(1, self.size // (4 * GROWTH)) * GROWTH
        for name in COLUMNS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros((more, *column.shape[1:]), column.dtype)]))

    def _reindex(self, before: int) -> None:
        """Bring the order of the ids and the shared lists up to date with the rows from `before` on."""
        self._lists.forget()
        if before == self.size:
            return
        new = sorted(range(before, self.size), key=self.ids.__getitem__)
        places = places_among([self.ids[row] for row in new], self.ids, self.by_id)
        self.by_id = np.insert(self.by_id, places, np.array(new, np.int32))
        self.order[self.by_id] = np.arange(self.size, dtype=np.int32)

    def reindex(self) -> None:
        """Sort the ids of all rows again: they have other numbers."""
        self.by_id = np.empty(0, np.int32)
        self._reindex(0)


def _code(codes: dict[str, int], name: str | None) -> int:
    return UNNAMED if name is None else codes.setdefault(name, len(codes))
