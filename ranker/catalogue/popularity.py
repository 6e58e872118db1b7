"""Trends: decayed counts of distinct people per video that add up exactly over partitions.

Forward decay (Cormode, Shkapenyuk, Srivastava and Xu 2009, "Forward decay: a practical time decay model for
streaming systems"): instead of shrinking old counts, later people add more. All sums are integers, so their
order, and hence the number of partitions, makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp2
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from ranker.profile.fold import FoldedBatch
from ranker.profile.model import offset_base
from schemas.messages.trends import Trends

HALF_LIFE_S = 6 * 3600  # a guess
PERIOD_HALF_LIVES = 16
PERIOD_S = PERIOD_HALF_LIVES * HALF_LIFE_S
STEP = 256  # fixed point: what one person adds at the start of a period
MOST_HELD = 10  # times as many videos as a record names are counted at most
BEFORE = 2.0**-PERIOD_HALF_LIVES  # what the period before is worth in this one

Slots = tuple[int, int, int]  # this period, the period before, ever
NOBODY: Slots = (0, 0, 0)
Place = tuple[float, int, str]  # what videos are ordered by, the lowest first


def increment(second: int) -> int:
    """What one person adds at a second: 256 at the start of a period, twice that a half-life later.

    >>> increment(0), increment(HALF_LIFE_S), increment(PERIOD_S)
    (256, 512, 256)
    """
    return round(exp2(second % PERIOD_S / HALF_LIFE_S) * STEP)


class TrendCounts:
    """The counts of one profiles partition.

    A person counts once per video as long as their profile remembers the first positive event: one that was
    forgotten, or overwritten by a short watch, lets them count again.
    """

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.period = 0
        self.counts: dict[str, Slots] = {}
        self.applied: dict[int, int] = {}  # input partition → newest offset that is counted, plus its base
        self.topic_ids: list[str] = []  # of the input topic and those of its name before it, newest last
        self.touched: set[str] = set()  # videos counted since somebody cleared it
        self.published_tick = 0  # second of event time of the last record that went out
        self._highest: dict[str, Place] = {}  # the videos of the last cut record, highest first; empty: not known
        self._since: set[str] = set()  # videos counted since that record
        self._names: list[str] = []  # of the last record, sorted

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
        self.touched.add(video_id)
        self._since.add(video_id)

    @property
    def base(self) -> int:
        """What the offsets of the present input topic are counted from."""
        return offset_base(max(0, len(self.topic_ids) - 1))

    def count(self, batch: FoldedBatch) -> None:
        """Count the people of a folded batch who had their first positive event for a video."""
        counted, base = self.applied.copy(), self.base  # before the batch; what is older was counted before a restart
        for arrival in batch.first_positives:
            if base + arrival.offset > counted.get(arrival.partition, -1):
                self.add(arrival.event.video_id, arrival.event.at_ms)
        for partition, offset in batch.reached.items():
            if base + offset > counted.get(partition, -1):
                self.applied[partition] = base + offset

    def roll(self, period: int) -> None:
        """Go on to a later period; an earlier one changes nothing. A far future time clears all trends."""
        if period > self.period:
            gap = period - self.period
            self.counts = {video_id: _shift(slots, gap) for video_id, slots in self.counts.items()}
            self.period = period
            self._highest = {}  # units change, and with them who is ahead of whom

    def is_due(self, tick: int) -> bool:
        """Whether event time has reached a second for which no record went out yet; from now on one has."""
        if tick <= self.published_tick:
            return False
        self.published_tick = tick
        return True

    def record(self, tick: int, limit: int) -> Trends:
        """The counts as a message; of more than `limit` videos the highest trends, then the most people.

        Merging is exact for the videos that every record holds; a cut loses the least popular ones.
        """
        kept: Mapping[str, object] = self.counts
        if len(self.counts) > limit:
            kept = self._highest = dict(self._ordered(limit)[:limit])
        # Most names are those of the last record, in order already, and sorting is quick where most are in order.
        self._names = sorted(dict.fromkeys((*filter(kept.__contains__, self._names), *kept)))
        self._since.clear()
        self.touched.clear()  # whoever publishes records takes the changes from them
        return Trends(
            partition=self.partition,
            tick=tick,
            period=self.period,
            counts={video_id: self.counts[video_id] for video_id in self._names},
            applied=dict(sorted(self.applied.items())),
            topic_ids=self.topic_ids.copy(),
        )

    def _ordered(self, limit: int) -> list[tuple[str, Place]]:
        """At least the `limit` highest videos with their places, highest first.

        In one period counts only grow: beside the highest ones of the last record only who was counted since can be
        among the highest now, or have another place.
        """
        is_known = len(self._highest) == limit and len(self.counts) <= MOST_HELD * limit
        places = self._highest if is_known else {}
        places.update((video_id, self._place(video_id)) for video_id in (self._since if is_known else self.counts))
        ordered = sorted(places.items(), key=itemgetter(1))  # quick where most are in order
        if len(ordered) > MOST_HELD * limit:  # names come from outside, and most of them once
            self.counts = {video_id: self.counts[video_id] for video_id, _ in ordered[: MOST_HELD // 2 * limit]}
        return ordered

    def _place(self, video_id: str) -> Place:
        this, before, ever = self.counts[video_id]
        return -(this + before * BEFORE), -ever, video_id

    def restore(self, record: Trends) -> None:
        """Go back to what a record says."""
        self.partition, self.period = record.partition, record.period
        self.counts, self.applied = dict(record.counts), dict(record.applied)
        self._highest = {}
        if len(record.topic_ids) >= len(self.topic_ids):  # a worker that woke up late may know fewer
            self.topic_ids = record.topic_ids.copy()


@dataclass(frozen=True, eq=False)
class Popularity:
    """What is popular over all partitions, by video id: trend float64 [V], total_popularity int64 [V]."""

    tick: int  # seconds of event time: the newest of the records
    period: int
    video_ids: list[str]  # sorted
    trend: NDArray[np.float64]  # compares inside one Popularity; `people` gives the unit
    total_popularity: NDArray[np.int64]  # people ever

    def people(self, tick: int | None = None) -> NDArray[np.float64]:
        """Trends as decayed counts of people at a tick: one at that second is 1, one a half-life before ½."""
        return self.trend * people_per_unit(self.period, self.tick if tick is None else tick)


def people_per_unit(period: int, tick: int) -> float:
    """What one unit of a period's trends is worth at a tick, in people; 0 where no period has begun.

    >>> people_per_unit(1, PERIOD_S) * STEP, people_per_unit(1, PERIOD_S + HALF_LIFE_S) * STEP
    (1.0, 0.5)
    """
    half_lives = min((period * PERIOD_S - tick) / HALF_LIFE_S, 64.0)  # more only where a record's two times disagree
    return exp2(half_lives) / STEP if period else 0.0


def merge(parts: Sequence[Trends | TrendCounts], only: Iterable[str] | None = None) -> Popularity:
    """Add up the partitions, of all videos or of some; any split of the same people gives the same numbers.

    >>> one = TrendCounts()
    >>> one.add("v1", 0), one.add("v2", HALF_LIFE_S * 1000)
    (None, None)
    >>> merge([one]).trend.tolist()
    [256.0, 512.0]
    """
    period = max((part.period for part in parts), default=0)
    wanted = {video_id for part in parts for video_id in part.counts} if only is None else only
    video_ids = sorted(wanted)
    total = [_sum(parts, video_id, period) for video_id in video_ids]
    return Popularity(
        tick=max((part.tick for part in parts if isinstance(part, Trends)), default=period * PERIOD_S),
        period=period,
        video_ids=video_ids,
        trend=np.array([_trend(slots) for slots in total], dtype=np.float64),
        total_popularity=np.array([slots[2] for slots in total], dtype=np.int64),
    )


def _sum(parts: Sequence[Trends | TrendCounts], video_id: str, period: int) -> Slots:
    this = before = ever = 0  # one loop: every ranker adds up what changed, once a tick
    for part in parts:
        if (slots := part.counts.get(video_id)) is not None:
            if part.period != period:
                slots = _shift(slots, period - part.period)
            this, before, ever = this + slots[0], before + slots[1], ever + slots[2]
    return this, before, ever


def _shift(slots: Slots, periods: int) -> Slots:
    if periods == 0:
        return slots
    this, _, ever = slots
    return (0, this if periods == 1 else 0, ever)


def _trend(slots: Slots) -> float:
    return slots[0] + slots[1] * BEFORE
