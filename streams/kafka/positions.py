"""Where each partition is read: what is done, what the client has come to, and what the broker holds.

A position is an offset of one topic, not of its name: each commit carries the ids of the topics that it depends on.
What lies between two records (the control records of transactions, aborted ones, what compaction took) counts for
nothing.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import confluent_kafka as kafka
import msgspec
from faust.types import TP

from streams.kafka.client import ANSWER_TIMEOUT_S, answered_in_time, retry_until_answered
from streams.kafka.reader import bounds
from streams.kafka.rights import needing
from streams.kafka.topic_watch import TopicIdentity, TopicWatch

log = logging.getLogger("freshet.positions")

Kept = Mapping[TP, tuple[int, str]]  # next offset, and the label of the topics that it is of
KeptOffsets = Callable[[Collection[TP]], Awaitable[Kept]]

STATISTICS_INTERVAL_MS = 1000
SETTLED_S = 1.0  # after an assignment: what the client says of itself before that may be from the assignment before


class Progress(msgspec.Struct, frozen=True):
    """What librdkafka says of a partition that it reads."""

    next_offset: int  # to be fetched next: behind control records and aborted ones too
    ls_offset: int  # end of what may be read: before the first open transaction
    hi_offset: int  # end of the log
    fetchq_cnt: int  # fetched, and not yet handed over
    fetch_state: str


class _Topic(msgspec.Struct, frozen=True):
    partitions: dict[str, Progress]


class _Statistics(msgspec.Struct, frozen=True):
    ts: int  # monotonic clock, microseconds
    rx: int  # answers that the client has had
    topics: dict[str, _Topic]


_decode = msgspec.json.Decoder(_Statistics).decode


class Positions:
    """Positions of the assigned partitions.

    depends_on  by source topic the topics whose making again takes its committed offsets their meaning
    kept        asks what an agent's output says of how far it has come; None: what is committed counts
    """

    def __init__(
        self, watch: TopicWatch, depends_on: Mapping[str, Sequence[str]], kept: KeptOffsets | None = None
    ) -> None:
        self.done: dict[TP, int] = {}  # the offset after everything that is done
        self.read: dict[TP, int] = {}  # the same of what agents were handed: some of it may be done later
        self.topics: Mapping[str, TopicIdentity] = {}  # as they were when partitions were assigned
        self.cut: dict[TP, int] = {}  # ends of partitions whose committed offset lay beyond
        self._watch, self._depends_on, self._kept = watch, depends_on, kept
        self._assigned: dict[TP, int] = {}  # where reading began
        self._progress: dict[TP, Progress] = {}
        self._progress_s = 0.0  # when the client said so, by the monotonic clock
        self.answered_s = 0.0  # when a broker had answered the client once more, by the same clock
        self._answers = 0
        self._trusted_from_s = float("inf")  # what the client said before tells nothing
        self._gaps: list[tuple[TP, int, int]] = []  # what was done, and the offset after it that was read
        self._client_number = 0

    async def begin(self, client: Any, tps: Iterable[TP]) -> list[kafka.TopicPartition]:
        """Where to read on, by what is committed, what the broker holds and which topics these are.

        An empty list where the client reads on there by itself; TimeoutError where it is not answered.
        """
        self.topics, self.cut = await retry_until_answered(self._watch.ask), {}
        self.done.clear()  # what was assigned before has been revoked
        self.read.clear()
        places = [kafka.TopicPartition(tp.topic, tp.partition) for tp in sorted(tps)]
        if self._kept is not None:
            kept = await self._kept([TP(one.topic, one.partition) for one in places])
            committed = [_kept_place(one, kept.get(TP(one.topic, one.partition))) for one in places]
        else:
            with needing("the right to read its consumer group"):
                committed = await answered_in_time(client.committed, places, ANSWER_TIMEOUT_S) if places else []
        self._assigned = {TP(one.topic, one.partition): await self._start(client, one) for one in committed}
        self._progress, self._gaps, self._trusted_from_s = {}, [], time.monotonic() + SETTLED_S
        if self._kept is None and all(
            one.offset < 0 or one.offset == self._assigned[TP(one.topic, one.partition)] for one in committed
        ):
            return []
        return [kafka.TopicPartition(tp.topic, tp.partition, offset) for tp, offset in self._assigned.items()]

    async def _start(self, client: Any, committed: kafka.TopicPartition) -> int:
        tp, offset = TP(committed.topic, committed.partition), committed.offset
        first, end = await bounds(client, *tp)
        if offset < 0:
            return first
        if (there := committed.metadata) and there != self.label(tp.topic):
            log.warning(
                "%s[%d] is read from its beginning: one of %s was deleted and made again",
                *tp,
                ", ".join(self._depends_on.get(tp.topic, [tp.topic])),
            )
            return first
        if offset > end:
            self.cut[tp] = end
            log.warning("%s[%d] ends at %d, before the committed offset %d: read from its beginning", *tp, end, offset)
            return first
        _report_lost(tp, offset, first)
        return max(offset, first)

    def label(self, topic: str) -> str:
        """What a commit carries: the ids of the topics on which offsets of this one depend; empty where one lacks."""
        found = [self.topics.get(name) for name in self._depends_on.get(topic, ())]
        return "+".join(one.id for one in found if one) if all(found) else ""

    def commit(self, offsets: Mapping[TP, int]) -> list[kafka.TopicPartition]:
        """Offsets as the client commits them."""
        return [
            kafka.TopicPartition(tp.topic, tp.partition, offset, self.label(tp.topic)) for tp, offset in offsets.items()
        ]

    def finish(self, offsets: Mapping[TP, int]) -> None:
        """Take what is done; it never goes back, and counts for assigned partitions alone."""
        for tp, offset in offsets.items():
            if tp in self._assigned:
                self.done[tp] = max(offset, self.done.get(tp, 0))

    def drop(self, tps: Collection[TP]) -> dict[TP, int]:
        """Forget partitions that are revoked; returns what is done of them."""
        for tp in tps:
            self._assigned.pop(tp, None)
            self.read.pop(tp, None)
        self._progress = {tp: one for tp, one in self._progress.items() if tp not in tps}  # another thread may walk it
        return {tp: self.done.pop(tp) for tp in tps if tp in self.done}

    def starts(self) -> dict[tuple[str, int], int]:
        """Where each assigned partition is read on."""
        return {(tp.topic, tp.partition): self.at(tp) for tp in self._assigned}

    def at(self, tp: TP) -> int:
        """The offset after everything that was read of a partition, or where reading it began."""
        return self.read.get(tp, self._assigned.get(tp, 0))

    def done_up_to(self, tp: TP) -> int:
        """The offset after everything that is done of a partition, or where reading it began."""
        return self.done.get(tp, self._assigned.get(tp, 0))

    def goes_back(self, tp: TP, first_offset: int) -> bool:
        """Whether a fetched batch begins before what was read: the log was cut, or is another one of that name."""
        at = self.at(tp)
        if first_offset > at:
            self._gaps.append((tp, at, first_offset))
        return first_offset < at

    def distrust(self) -> None:
        """A batch was dropped: until the next assignment what the client has handed over need not be done."""
        self._trusted_from_s = float("inf")

    async def look(self) -> None:
        """Ask at once which topics these are."""
        await retry_until_answered(self._watch.ask)

    def observer(self) -> Callable[[str], None]:
        """What takes a new client's statistics; those of the client before count no more."""
        self._client_number += 1
        self._answers = 0
        number = self._client_number
        return lambda statistics: self._observe(statistics) if number == self._client_number else None

    def _observe(self, statistics: str) -> None:
        """Take librdkafka's statistics, which it gives from within a fetch."""
        found = _decode(statistics)
        self._progress_s = found.ts / 1e6
        if found.rx != self._answers:
            self.answered_s, self._answers = self._progress_s, found.rx
        self._progress = {
            tp: found.topics[tp.topic].partitions[str(tp.partition)]
            for tp in self._assigned
            if tp.topic in found.topics and str(tp.partition) in found.topics[tp.topic].partitions
        }

    async def advance(self, client: Any) -> None:
        """Move on behind what holds no record, and report what was deleted unread; called while no batch is in flight.

        What had been fetched when the statistics were taken is done by now, so nothing before `next_offset` is left.
        """
        if self._progress_s <= self._trusted_from_s:
            return
        self._trusted_from_s = self._progress_s  # nothing is looked at twice
        for tp, one in self._progress.items():
            is_all_done = self.done_up_to(tp) == self.at(tp)  # else a record is still being worked on
            if is_all_done and one.fetchq_cnt == 0 and one.fetch_state == "active" and one.next_offset > self.at(tp):
                self._gaps.append((tp, self.at(tp), one.next_offset))
                self.done[tp] = self.read[tp] = one.next_offset
        try:
            firsts = {tp: (await bounds(client, *tp))[0] for tp in {tp for tp, _, _ in self._gaps}}
        except TimeoutError:
            return  # they are reported once the broker answers
        gaps, self._gaps = self._gaps, []
        for tp, at, behind in gaps:
            _report_lost(tp, at, min(firsts[tp], behind))

    def lag(self) -> dict[str, int]:
        """Records that may be read and are not done, by topic[partition]; about, where transactions lie between."""
        progress = self._progress
        return {
            f"{tp.topic}[{tp.partition}]": max(0, progress[tp].ls_offset - self.done_up_to(tp))
            for tp in sorted(progress)
        }

    def open_transactions(self) -> dict[str, int]:
        """Records that may not be read yet, by topic[partition]: an open transaction holds them back."""
        found = self._progress.items()
        return {
            f"{tp.topic}[{tp.partition}]": p.hi_offset - p.ls_offset for tp, p in found if p.hi_offset > p.ls_offset
        }


def _kept_place(place: kafka.TopicPartition, kept: tuple[int, str] | None) -> kafka.TopicPartition:
    return place if kept is None else kafka.TopicPartition(place.topic, place.partition, *kept)


def _report_lost(tp: TP, at: int, first: int) -> None:
    if first > at:
        log.warning(
            "%s[%d]: %d records were deleted before they were read, offsets %d to %d", *tp, first - at, at, first - 1
        )
