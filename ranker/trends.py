"""Trends: decayed counts of distinct people per video that add up exactly over partitions.

Forward decay (Cormode, Shkapenyuk, Srivastava and Xu 2009, "Forward decay: a practical time decay model for
streaming systems"): instead of shrinking old counts, later people add more. All sums are integers, so their
order, and hence the number of partitions, makes no difference.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp2

import numpy as np
from numpy.typing import NDArray

from ranker.profile import Accepted
from schemas.events import Search
from schemas.outputs import Trends

HALF_LIFE_S = 6 * 3600  # a guess
PERIOD_HALF_LIVES = 16
PERIOD_S = PERIOD_HALF_LIVES * HALF_LIFE_S
STEP = 256  # fixed point: what one person adds at the start of a period
BEFORE = 2.0**-PERIOD_HALF_LIVES  # what the period before is worth in this one

Slots = tuple[int, int, int]  # this period, the period before, ever
NOBODY: Slots = (0, 0, 0)


def increment(second: int) -> int:
    """What one person adds at a second: 256 at the start of a period, twice that a half-life later.

    >>> increment(0), increment(HALF_LIFE_S), increment(PERIOD_S)
    (256, 512, 256)
    """
    return round(exp2(second % PERIOD_S / HALF_LIFE_S) * STEP)


class TrendCounts:
    """The counts of one profiles partition.

    A person counts once per video as long as their profile remembers the first good word: a mark that was
    forgotten, or overwritten by a short look, lets them count again.
    """

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.period = 0
        self.counts: dict[str, Slots] = {}
        self.applied: dict[int, int] = {}  # input partition → newest offset that is counted

    def add(self, video_id: str, at_ms: int) -> None:
        """Count one more person for a video; what is older than the period before counts as `ever` alone."""
        second = at_ms // 1000
        period = second // PERIOD_S
        self.roll(period)
        this, before, ever = self.counts.get(video_id, NOBODY)
        if period == self.period:
            this += increment(second)
        elif period == self.period - 1:
            before += increment(second)
        self.counts[video_id] = (this, before, ever + 1)

    def take(self, accepted: Iterable[Accepted]) -> None:
        """Count the people in a folded batch who said their first good word for a video."""
        for one in accepted:
            event = one.arrival.event
            if one.first_positive and not isinstance(event, Search):
                self.add(event.video_id, event.at_ms)
            partition, offset = one.arrival.partition, one.arrival.offset
            self.applied[partition] = max(offset, self.applied.get(partition, -1))

    def roll(self, period: int) -> None:
        """Go on to a later period; an earlier one changes nothing. A far future time clears all trends."""
        if period > self.period:
            gap = period - self.period
            self.counts = {video_id: _shift(slots, gap) for video_id, slots in self.counts.items()}
            self.period = period

    def record(self, tick: int, limit: int) -> Trends:
        """The counts as a message; of more than `limit` videos the highest trends, then the most people.

        Merging is exact for the videos that every record holds; a cut loses the least popular ones.
        """
        best = sorted(self.counts.items(), key=lambda pair: (-_trend(pair[1]), -pair[1][2], pair[0]))
        return Trends(
            partition=self.partition,
            tick=tick,
            period=self.period,
            counts=dict(sorted(best[:limit])),
            applied=dict(sorted(self.applied.items())),
        )

    def restore(self, record: Trends) -> None:
        """Go back to what a record says."""
        self.partition, self.period = record.partition, record.period
        self.counts, self.applied = dict(record.counts), dict(record.applied)


@dataclass(frozen=True, eq=False)
class Popular:
    """What is popular over all partitions, by video id: trend float64 [V], ever int64 [V]."""

    tick: int  # seconds of event time: the newest of the records
    period: int
    video_ids: list[str]  # sorted
    trend: NDArray[np.float64]  # compares inside one Popular; `people` gives the unit
    ever: NDArray[np.int64]

    def people(self, tick: int | None = None) -> NDArray[np.float64]:
        """Trends as decayed counts of people at a tick: one at that second is 1, one a half-life before ½."""
        if not self.video_ids:
            return self.trend  # no period yet to count from
        second = self.tick if tick is None else tick
        half_lives = (self.period * PERIOD_S - second) / HALF_LIFE_S
        return self.trend * (exp2(min(half_lives, 512.0)) / STEP)  # finite even for a tick that is far off


def merge(parts: Sequence[Trends | TrendCounts]) -> Popular:
    """Add up the partitions; any split of the same people gives the same numbers.

    >>> one = TrendCounts()
    >>> one.add("v1", 0), one.add("v2", HALF_LIFE_S * 1000)
    (None, None)
    >>> merge([one]).trend.tolist()
    [256.0, 512.0]
    """
    period = max((part.period for part in parts), default=0)
    total: dict[str, Slots] = {}
    for part in parts:
        for video_id, slots in part.counts.items():
            this, before, ever = _shift(slots, period - part.period)
            old = total.get(video_id, NOBODY)
            total[video_id] = (old[0] + this, old[1] + before, old[2] + ever)
    video_ids = sorted(total)
    return Popular(
        tick=max((part.tick for part in parts if isinstance(part, Trends)), default=period * PERIOD_S),
        period=period,
        video_ids=video_ids,
        trend=np.array([_trend(total[video_id]) for video_id in video_ids], dtype=np.float64),
        ever=np.array([total[video_id][2] for video_id in video_ids], dtype=np.int64),
    )


def _shift(slots: Slots, periods: int) -> Slots:
    if periods == 0:
        return slots
    this, _, ever = slots
    return (0, this if periods == 1 else 0, ever)


def _trend(slots: Slots) -> float:
    return slots[0] + slots[1] * BEFORE
