"""The learned parameters: an effect and counts for each key of each field, and the weights of the features.

Keys stand in rows of arrays, so a batch of exposures is read with one gather and written with one scatter. Row 0 is
the key of what is unknown: it has no effect and learns none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.entry import VideoFacts
from ranker.learning.columns import grown
from ranker.learning.features import FIRST_WEIGHTS, WEIGHT_VARIANCE
from ranker.learning.fields import FIELD_NAMES, FIELDS, KEYS_OF, Exposure
from ranker.profile.outcomes import HEADS

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NOTHING_LEARNED = "0"  # version of parameters that have learned nothing
UNKNOWN = 0  # row of a key that is not known
NOBODY = (-1, "")  # in place of the key of a row that has none
SURFACE = FIELD_NAMES.index("surface")
OF_ONE = [place for place, field in enumerate(FIELDS) if field.of_one]
GROWTH = 4096
H = len(HEADS)
WIDTH = 3 * H + 3  # numbers of a row: effects, variances, counts, when it was met, recent finishes
EFFECT, VARIANCE, COUNTS = slice(H), slice(H, 2 * H), slice(2 * H, 3 * H + 1)
MOST_REMEMBERED = 50_000  # exposures whose rows are remembered
MOST_NAMED = 500_000  # rows that get a key in one generation
RECENT_S = 6 * 3600  # half-life of what happened of late
DAY_S = 86_400
KEPT_DAYS = 30  # of event time with exposures: what nobody met for longer is forgotten
VARIANCES = np.array([field.variance for field in FIELDS], np.float64)


@dataclass(frozen=True)
class Learned:
    """Parameters, which a learner may bring up to date, and the version that names them as they are."""

    parameters: "Parameters"

    @property
    def version(self) -> str:
        """Names what is learned by now."""
        return self.parameters.version


class Parameters:
    """Everything that is learned: rows of keys, and per head the weights of the features and their covariance."""

    def __init__(self) -> None:
        self.batches = 0  # that were learned from, or read, in this process
        self.generation = 0  # raised when a row is given to another key: whoever remembers rows looks them up again
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.generation += 1
        self.batches += 1
        self.version = NOTHING_LEARNED  # set by whoever brings them up to date
        self.row_of: dict[tuple[int, str], int] = {}  # by field and key
        self._rows_of: dict[Exposure, list[int]] = {}  # of those that were met lately: four in five are met again
        self.keys: list[tuple[int, str]] = [NOBODY]  # by row
        self.effect: Floats = np.zeros((GROWTH, len(HEADS)))
        self.variance: Floats = np.zeros((GROWTH, len(HEADS)))
        self.counts: Floats = np.zeros((GROWTH, 1 + len(HEADS)))  # exposures, then how many had each label
        self.totals: Floats = np.zeros(1 + len(HEADS))
        self.weights: Floats = FIRST_WEIGHTS.copy()  # [H, D]
        self.covariance: Floats = np.stack([np.diag(WEIGHT_VARIANCE)] * len(HEADS))  # [H, D, D]
        self.met = np.zeros(GROWTH, np.int64)  # by row the second of event time in which its key was met last
        self.recent = np.zeros(GROWTH)  # finishes by then, each worth half as much RECENT_S later
        self.free: list[int] = []  # rows that nobody has any more
        self.named: list[int] = []  # rows that got a key in this generation, in that order
        self.surfaces: set[str] = set()  # that have a row
        self.tick = 0  # the newest second of event time that was learned from
        self.days: list[int] = []  # of event time, in which something was learned: the newest KEPT_DAYS

    def __len__(self) -> int:
        """How many keys have a row."""
        return len(self.row_of)

    def rows(self, exposures: Iterable[Exposure], *, grow: bool) -> Rows:
        """Rows of the keys of exposures [n, F]; `grow` makes rows for keys that have none, others are UNKNOWN."""
        found = [self._rows_of.get(one) or self._look_up(one, grow) for one in exposures]
        return np.fromiter(chain.from_iterable(found), np.int64, len(found) * len(FIELDS)).reshape(-1, len(FIELDS))

    def _look_up(self, one: Exposure, grow: bool) -> list[int]:
        found = [self.row(place, field.key(one), grow) for place, field in enumerate(FIELDS)]
        if grow:  # every key has its row by now, and keeps it
            if len(self._rows_of) >= MOST_REMEMBERED:
                self._rows_of.clear()
            self._rows_of[one] = found
        return found

    def row(self, field: int, key: str | None, grow: bool = False) -> int:
        """The row of a field's key; UNKNOWN where it has none."""
        if key is None:
            return UNKNOWN
        row = self.row_of.get((KEYS_OF[field], key), UNKNOWN)
        return self._new_row(KEYS_OF[field], key) if row == UNKNOWN and grow else row

    def _new_row(self, field: int, key: str) -> int:
        row = self.free.pop() if self.free else len(self.keys)
        if row == len(self.keys):
            self.keys.append(NOBODY)
            self.make_room(row + 1)
        self.name(row, (field, key))
        self.variance[row] = VARIANCES[field]
        return row

    def name(self, row: int, named: tuple[int, str]) -> None:
        """Give a row to a key, or to nobody."""
        if (before := self.keys[row]) == named:
            return
        if before != NOBODY:
            if self.row_of.get(before) == row:  # else it has got another one
                del self.row_of[before]
            self._rows_of.clear()
        if before != NOBODY or len(self.named) == MOST_NAMED:
            self.generation += 1
            self.named = []
        self.keys[row] = named
        if named != NOBODY:
            self.row_of[named] = row
            self.named.append(row)
        if before[0] == SURFACE:
            self.surfaces.discard(before[1])
        if named[0] == SURFACE:
            self.surfaces.add(named[1])

    def forget(self, rows: Rows) -> None:
        """Give up keys; each row is for one other then, so one that nobody has is not given up again."""
        for row in rows.tolist():
            if self.keys[row] != NOBODY:
                self.name(row, NOBODY)
                self.free.append(row)
        self.put_numbers(rows, np.zeros((len(rows), WIDTH)))

    def reach(self, tick: int) -> None:
        """Go on to a second of event time."""
        self.tick = max(tick, self.tick)
        if not self.days or self.tick // DAY_S > self.days[-1]:
            self.days = [*self.days, self.tick // DAY_S][-KEPT_DAYS:]

    def cut_to(self, count: int) -> None:
        """Give up the rows beyond so many."""
        beyond = np.arange(count, max(count, len(self.keys)))
        self.forget(beyond)
        self.free = [row for row in self.free if row < count]
        del self.keys[count:]

    def unmet(self) -> Rows:
        """Rows of keys that nobody met on KEPT_DAYS days on which there was something to meet."""
        if len(self.days) < KEPT_DAYS:
            return np.zeros(0, np.int64)
        old = np.flatnonzero(self.met[: len(self.keys)] < self.days[0] * DAY_S).tolist()
        return np.array([row for row in old if self.keys[row] != NOBODY], np.int64)

    def of_video(self, video_id: str) -> Rows:
        """Rows of the keys that are of one video alone."""
        shown = [Exposure(video_id, VideoFacts(), surface, 0) for surface in sorted(self.surfaces)]
        found = {self.row(field, FIELDS[field].key(one)) for one in shown for field in OF_ONE}
        return np.array(sorted(found - {UNKNOWN}), np.int64)

    def numbers(self, rows: Rows | slice) -> Floats:
        """All numbers of rows [n, WIDTH], as `put_numbers` takes them."""
        times = self.met[rows, None], self.recent[rows, None]
        return np.concatenate([self.effect[rows], self.variance[rows], self.counts[rows], *times], axis=1)

    def put_numbers(self, rows: Rows | slice, numbers: Floats) -> None:
        """Give rows these numbers [n, WIDTH]."""
        self.effect[rows], self.variance[rows] = numbers[:, EFFECT], numbers[:, VARIANCE]
        self.counts[rows] = numbers[:, COUNTS]
        self.met[rows], self.recent[rows] = numbers[:, -2], numbers[:, -1]

    def make_room(self, rows: int) -> None:
        """Make the arrays long enough for so many rows."""
        if rows > len(self.effect):
            size = rows + GROWTH
            self.effect, self.variance = grown(self.effect, size), grown(self.variance, size)
            self.counts, self.met = grown(self.counts, size), grown(self.met, size)
            self.recent = grown(self.recent, size)
