"""The shared lists of a catalogue: what is trending, newest and popular.

At a tick few videos get other counts. So what is counted is listed out of a pool, the rows of the highest counts and
some more; the whole catalogue is looked through only where the list might need what is outside.
"""

from dataclasses import dataclass
from math import inf, log2
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Rows

if TYPE_CHECKING:
    from ranker.catalogue.catalogue import Catalogue


TOP_LENGTH = 64  # of each shared list: trending, newest, popular; a guess
POOL_LENGTH = 4 * TOP_LENGTH  # at first; a guess
LAST_MS = 2**62  # later than any video
MARGIN = 1e-5  # of a trend: more than what two of them may differ by that float32 does not tell apart


@dataclass(frozen=True)
class TopLists:
    """The shared lists of one tick, best first, ties by id: rows, at most TOP_LENGTH each."""

    trending: Rows
    newest: Rows
    popular: Rows


class Pool:
    """The rows of the highest positive counts; `below` is the highest count outside.

    counts  of all videos by row
    """

    def __init__(self, active: Rows, counts: NDArray[Any]) -> None:
        rows = active[counts[active] > 0]
        of_rows = counts[rows]
        self._floor = float(np.partition(of_rows, -POOL_LENGTH)[-POOL_LENGTH]) if len(rows) > POOL_LENGTH else -inf
        inside = of_rows >= self._floor
        self.below = float(of_rows[~inside].max(initial=0))
        self._known = set(rows[inside].tolist())
        self._rows: Rows | None = rows[inside]
        self._most = 2 * len(self._known) + TOP_LENGTH

    def __len__(self) -> int:
        return len(self._known)

    @property
    def rows(self) -> Rows:
        """What is inside, in no order."""
        if self._rows is None:
            self._rows = np.array(sorted(self._known), np.int32)
        return self._rows

    @property
    def is_too_large(self) -> bool:
        """Whether another pool would be quicker to read."""
        return len(self) > self._most

    def count(self, row: int, count: float) -> None:
        """Take in a row's new count."""
        if row in self._known:
            return
        if count < self._floor:
            self.below = max(self.below, count)
        elif count > 0:
            self._known.add(row)
            self._rows = None


class SharedLists:
    """Makes the lists when they are asked for, and keeps what time and counts have not changed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Other videos may be shown than before, or their counts have another unit."""
        self._made: TopLists | None = None
        self._has_pools = False  # until the next tick the counts of a new row are not yet its trend
        self._trending: Pool | None = None
        self._popular: Pool | None = None
        self._of_popular: Rows | None = None
        self._lowest = inf  # count in `_of_popular`
        self._listed: frozenset[int] = frozenset()  # the rows of `_of_popular`
        self._newest: Rows | None = None
        self._since_ms, self._until_ms = 0, 0  # the event times at which `_newest` is right
        self._newest_of: dict[tuple[int, int], Rows] = {}  # by creator and how many
        self._active: Rows | None = None

    def tick(self) -> None:
        """Time has gone on."""
        self._made, self._has_pools = None, True

    def count(self, row: int, units: float, total: float) -> None:
        """A video has these counts from now on."""
        if self._trending is not None:
            self._trending.count(row, units)
        if self._popular is not None:
            self._popular.count(row, total)
            is_short = len(self._listed) < TOP_LENGTH
            if is_short or total >= self._lowest or row in self._listed:  # whose count may have fallen, too
                self._of_popular = None

    def of(self, catalogue: "Catalogue") -> TopLists:
        """The lists of the last tick."""
        if self._made is None:
            made = self._from_pools(catalogue) if self._has_pools else None
            self._made = made or self._from_all(catalogue)
        return self._made

    def newest_of(self, creator: int, k: int, catalogue: "Catalogue") -> Rows:
        """The newest videos of one creator."""
        found = self._newest_of.get((creator, k))
        if found is None:
            rows = np.array(catalogue.by_creator.get(creator, ()), np.int32)
            found = catalogue.best(rows[catalogue.is_active[rows]], catalogue.at_ms, k)
            self._newest_of[creator, k] = found
        return found

    def _rows(self, catalogue: "Catalogue") -> Rows:
        if self._active is None:
            self._active = np.flatnonzero(catalogue.is_active).astype(np.int32)
        return self._active

    def _from_all(self, catalogue: "Catalogue") -> TopLists:
        rows, trend, total = self._rows(catalogue), catalogue.trend, catalogue.total_popularity
        return TopLists(
            trending=catalogue.best(rows[trend[rows] > 0], trend, TOP_LENGTH),
            newest=self._newest_at(catalogue),
            popular=catalogue.best(rows[total[rows] > 0], total, TOP_LENGTH),
        )

    def _from_pools(self, catalogue: "Catalogue") -> TopLists | None:
        trending, popular = self._trending_in(catalogue), self._popular_in(catalogue)
        if trending is None or popular is None:
            return None
        return TopLists(trending, self._newest_at(catalogue), popular)

    def _trending_in(self, catalogue: "Catalogue") -> Rows | None:
        if self._trending is None or self._trending.is_too_large:
            self._trending = Pool(self._rows(catalogue), catalogue.decayed_units)
        pool = self._trending
        trend = catalogue.trend_of(catalogue.decayed_units[pool.rows])
        found = best(pool.rows[trend > 0], trend[trend > 0], catalogue.order, TOP_LENGTH)
        if pool.below <= 0:
            return found
        last = float(catalogue.trend_of(catalogue.decayed_units[found[-1:]]).max(initial=0))
        outside = log2(1 + pool.below * catalogue.people_per_unit)
        if len(found) == TOP_LENGTH and last > outside + MARGIN:
            return found
        self._trending = None
        return None

    def _popular_in(self, catalogue: "Catalogue") -> Rows | None:
        if self._of_popular is not None:
            return self._of_popular
        if self._popular is None or self._popular.is_too_large:
            self._popular = Pool(self._rows(catalogue), catalogue.total_popularity)
        pool, total = self._popular, catalogue.total_popularity
        found = catalogue.best(pool.rows[total[pool.rows] > 0], total, TOP_LENGTH)
        self._lowest = float(total[found[-1:]].min(initial=inf))
        if pool.below > 0 and (len(found) < TOP_LENGTH or self._lowest <= pool.below):
            self._popular = None
            return None
        self._of_popular, self._listed = found, frozenset(found.tolist())
        return found

    def _newest_at(self, catalogue: "Catalogue") -> Rows:
        """Of those that are uploaded by now; they stay the newest until the next one is."""
        now_ms = catalogue.now_ms
        if self._newest is None or not self._since_ms <= now_ms < self._until_ms:
            rows = self._rows(catalogue)
            at_ms = catalogue.at_ms[rows]
            is_uploaded = at_ms <= (now_ms or inf)
            self._since_ms = int(at_ms[is_uploaded].max(initial=1)) if now_ms else 0
            self._until_ms = int(at_ms[~is_uploaded].min(initial=LAST_MS)) if now_ms else 1
            self._newest = catalogue.best(rows[is_uploaded], catalogue.at_ms, TOP_LENGTH)
        return self._newest


def best(rows: Rows, values: NDArray[Any], order: Rows, k: int) -> Rows:
    """The k of some rows that have the highest values, best first, ties by `order` [capacity].

    values  of these rows

    >>> best(np.array([4, 2], np.int32), np.array([1, 7]), np.arange(5, dtype=np.int32), 1).tolist()
    [2]
    """
    if len(rows) > k:
        kept = values >= np.partition(values, len(rows) - k)[len(rows) - k]
        rows, values = rows[kept], values[kept]
    return rows[np.lexsort((order[rows], -values))][:k]
