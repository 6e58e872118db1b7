"""The newest dead letters, and how many there were of each reason in the last 24 hours."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from schemas.messages.dead_letters import Handled
from schemas.messages.fields import DAY_MS
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, HANDLED
from streams.api.errors import ProblemError
from streams.api.operations.messages import DeadLetterAnswer, DeadLettersAnswer
from streams.dead_letters.handled import Place, marks_in, place_of
from streams.dead_letters.store import StoredDeadLetter, from_record
from streams.errors import OperatorError
from streams.kafka.reader import all_bounds, read_from, required_partitions

HOUR_MS = DAY_MS // 24
SHOWN_BYTES = 256  # of a key or a value
SEARCHED = 5_000  # records of each partition that are searched for a reason
LIMIT_S = 10.0
READINGS = 2  # at a time: each may read thousands of records of every partition


class RecentDeadLetters:
    """Counts by reason, in buckets of an hour, without those that were dealt with."""

    def __init__(self) -> None:
        self._buckets: dict[int, Counter[str]] = {}
        self._first: dict[int, int] = {}  # by partition, the offset of the first one counted
        self._handled: set[Place] = set()
        self.read: dict[int, int] = {}  # by partition, the offset after the last one counted
        self.read_marks = 0  # the offset after the last mark that was taken in

    def add(self, dead_letters: Iterable[StoredDeadLetter]) -> None:
        """Count some more."""
        for one in dead_letters:
            if one.at not in self._handled:
                self._buckets.setdefault(one.written_ms // HOUR_MS, Counter())[one.reason] += 1
            self._first.setdefault(one.partition, one.offset)
            self.read[one.partition] = one.offset + 1

    def begin_again(self, partition: int) -> None:
        """The topic was made again: its offsets count from 0. What was counted before stays, for it was there."""
        self._first.pop(partition, None)
        self.read[partition] = 0

    def settle(self, marks: Iterable[Handled]) -> None:
        """Count no longer what was dealt with, whether it was counted before or will be read later."""
        for mark in marks:
            if place_of(mark) in self._handled:
                continue
            self._handled.add(place_of(mark))
            first = self._first.get(mark.partition)
            if first is not None and first <= mark.offset < self.read[mark.partition]:
                bucket = self._buckets.get(mark.written_ms // HOUR_MS, Counter[str]())
                bucket[mark.reason] -= bucket[mark.reason] > 0

    def by_reason(self, now_ms: int) -> dict[str, int]:
        """How many of each reason were written in this hour and the 23 before it, the most first."""
        oldest = now_ms // HOUR_MS - 23
        self._buckets = {hour: counts for hour, counts in self._buckets.items() if hour >= oldest}
        self._handled = {place for place in self._handled if place[2] >= oldest * HOUR_MS}
        total = sum(self._buckets.values(), Counter[str]())
        return dict(sorted((+total).items(), key=lambda pair: (-pair[1], pair[0])))


async def count_up_to(settings: Settings, recent: RecentDeadLetters, ends: Mapping[int, int]) -> None:
    """Count what was written up to these ends since the last time."""
    for p in (p for p, end in ends.items() if recent.read.get(p, 0) > end):
        recent.begin_again(p)
    starts = {p: recent.read[p] for p, end in ends.items() if recent.read.get(p, end) != end}
    if starts:
        topic = DEAD_LETTERS.full(settings.prefix)
        async for records in read_from(settings, topic, starts, {p: ends[p] for p in starts}):
            recent.add(map(from_record, records))
        recent.read.update({p: ends[p] for p in starts})


async def settle_up_to(settings: Settings, recent: RecentDeadLetters, end: int) -> None:
    """Take in which dead letters were dealt with since the last time, up to this end of the marks."""
    start = recent.read_marks if recent.read_marks <= end else 0  # 0: made again
    if start != end:
        topic = HANDLED.full(settings.prefix)
        async for records in read_from(settings, topic, {0: start}, {0: end}):
            recent.settle(marks_in(records))
    recent.read_marks = end


class DeadLetters(Protocol):
    """Finds the newest dead letters."""

    async def newest(self, reason: str | None, limit: int) -> DeadLettersAnswer:
        """The newest so many, of one reason or of all, newest first."""


class DeadLetterReader:
    """Reads them from the ends of their topic, within a time limit."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._readings = settings, asyncio.Semaphore(READINGS)

    async def newest(self, reason: str | None, limit: int) -> DeadLettersAnswer:
        """The newest so many; a ProblemError of 503 where they could not be read in time."""
        try:
            async with asyncio.timeout(LIMIT_S), self._readings:
                return await _newest(self._settings, reason, limit)
        except TimeoutError:
            raise ProblemError(503, f"The dead letters were not read within {LIMIT_S:g} s; try again.") from None
        except OperatorError as error:
            raise ProblemError(503, str(error)) from error


async def _newest(settings: Settings, reason: str | None, limit: int) -> DeadLettersAnswer:
    topic, back = DEAD_LETTERS.full(settings.prefix), limit if reason is None else SEARCHED
    here = await all_bounds(settings, topic, await required_partitions(settings, topic))
    starts = {p: max(start, end - back) for p, (start, end) in here.items()}
    kept: list[StoredDeadLetter] = []
    async for records in read_from(settings, topic, starts, {p: end for p, (_, end) in here.items()}):
        kept = newest_first([*kept, *map(from_record, records)], reason, limit)
    complete = all(starts[p] == start for p, (start, _) in here.items())
    return DeadLettersAnswer([shown(one) for one in kept], complete)


def newest_first(found: Iterable[StoredDeadLetter], reason: str | None, limit: int) -> list[StoredDeadLetter]:
    """Of some dead letters the newest so many, of one reason or of all, newest first."""
    of_reason = (one for one in found if reason in (None, one.reason))
    return sorted(of_reason, key=lambda one: (-one.written_ms, one.partition, -one.offset))[:limit]


def shown(one: StoredDeadLetter) -> DeadLetterAnswer:
    """A dead letter for people."""
    return DeadLetterAnswer(
        partition=one.partition,
        offset=one.offset,
        written_ms=one.written_ms,
        reason=one.reason,
        detail=one.detail,
        topic=one.topic,
        place=one.place,
        attempts=one.attempts,
        key=None if one.key is None else _text(one.key),
        value=_text(one.value),
        bytes=len(one.value),
    )


def _text(data: bytes) -> str:
    return data[:SHOWN_BYTES].decode("utf-8", "replace")
