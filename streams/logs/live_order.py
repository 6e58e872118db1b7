"""The order in which a replay needs the records of a live system. No Kafka.

Kafka orders the records of one partition, and nothing else. A log has one order, so between partitions the record times
decide, which the broker stamps, and within a partition the offsets. Two things stand elsewhere:

- An event on a wrong partition counts where it was sent on to. So what was sent on is recorded at its own place, once,
  and the first record is left out.
- An erasure counts when the profiles agent comes to it, which may be some events earlier or later than its time says.
  Its marker names the last event of its partition before it, and it stands before the person's next one.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from schemas.messages.erasures import Erasure
from schemas.topics import ERASURES, FEEDBACK, UPLOADS
from streams.dead_letters import validation
from streams.kafka.records import Place, Record
from streams.logs.pending_erasures import PendingErasures, TookEffect
from streams.profiles.erasure import read_erasures

Take = Callable[[Place], Record | None]

CHUNK = 1 << 15


class OffsetSet:
    """Offsets of many partitions, a bit each."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[str, int, int], int] = {}

    def add(self, topic: str, partition: int, offset: int) -> bool:
        """Add an offset; whether it was not among them yet."""
        chunk, bit = (topic, partition, offset // CHUNK), 1 << offset % CHUNK
        held = self._chunks.get(chunk, 0)
        self._chunks[chunk] = held | bit
        return not held & bit

    def missing_in(self, other: "OffsetSet") -> int:
        """How many of these the other one has not."""
        return sum((held & ~other._chunks.get(chunk, 0)).bit_count() for chunk, held in self._chunks.items())


class LiveOrder:
    """Puts records in order, and leaves out what counts elsewhere.

    prefix      of the topics' names
    partitions  of each topic, by its full name
    begins      the first offset of each partition of feedback and uploads that belongs into the log
    """

    def __init__(self, prefix: str, partitions: Mapping[str, int], begins: Mapping[Place, int]) -> None:
        self._feedback, self._uploads, self._erasures = (t.full(prefix) for t in (FEEDBACK, UPLOADS, ERASURES))
        self._partitions, self._begins = partitions, begins
        self._clocks: dict[Place, int] = {}  # newest record time of each partition: a broker's clock may go back
        self._sent_on, self._misplaced = OffsetSet(), OffsetSet()
        self._feedback_reached: dict[int, int] = {}
        self._pending = PendingErasures(self._feedback_reached)
        self.reached = dict(begins)  # the offset after the newest record that was taken
        self.left_out: Counter[str] = Counter()

    @property
    def not_sent_on(self) -> int:
        """How many records lay on a wrong partition, and had not been sent on where the log ends."""
        return self._misplaced.missing_in(self._sent_on)

    def recall(self, record: Record) -> None:
        """Take note of a record that is in the log already."""
        if origin := self._origin(record):
            self._sent_on.add(record.topic, *origin)
        if record.topic != self._erasures:
            self._advance(record)

    @property
    def erasures_by_time(self) -> bool:
        """Whether an erasure waits of which it is not known where it took effect."""
        return self._pending.by_time

    def add_erasures(self, records: Iterable[Record]) -> None:
        """Take in erasures that are not in the log yet, each partition's in offset order."""
        self._pending.add(self._judged(records))

    def settle(self, took_effect: Callable[[str], TookEffect]) -> None:
        """Take over where a person's erasures took effect, as far as it is known."""
        self._pending.settle(took_effect)

    def records(self, take: Take) -> Iterator[Record]:
        """What belongs into the log, in its order.

        take  the next record of a partition of feedback or uploads; None where it ends for now
        """
        heads = [(*self._key(head), head) for place in self.reached if (head := take(place)) is not None]
        heapq.heapify(heads)
        while heads:
            clock, *_, record = heapq.heappop(heads)
            yield from self._pending.until(clock)
            if (user_id := self._user_of(record)) is not None:
                yield from self._pending.before(user_id, record.offset)
                yield record
            self._advance(record)
            if (head := take(record[:2])) is not None:
                heapq.heappush(heads, (*self._key(head), head))
        yield from self._pending.until(None)

    def _key(self, record: Record) -> tuple[int, bool, int, int]:
        """By time; of one time erasures come first, then uploads."""
        clock = max(record.timestamp, self._clocks.get(record[:2], 0))
        return clock, record.topic == self._feedback, record.partition, record.offset

    def _advance(self, record: Record) -> None:
        place = record[:2]
        self._clocks[place] = max(record.timestamp, self._clocks.get(place, 0))
        self.reached[place] = max(record.offset + 1, self.reached.get(place, 0))
        if record.topic == self._feedback:
            self._feedback_reached[record.partition] = self.reached[place]

    def _user_of(self, record: Record) -> str | None:
        """Whose record it is; empty: nobody's; None: it does not belong into the log."""
        if record.topic == self._uploads:
            return "" if self._is_first_upload(record) else None
        found = validation.read_feedback([record], self._partitions[record.topic])
        if found.misrouted:
            self._counts_elsewhere(record)
            return None
        if not self._is_new(record):
            return None
        return found.arrivals[0].event.user_id if found.arrivals else ""

    def _is_first_upload(self, record: Record) -> bool:
        """An upload that was sent on is recorded where it was first read, if that is a part of the log."""
        origin = self._origin(record)
        begin = self._begins.get((record.topic, origin[0]), 0) if origin else 0
        if origin and origin[1] >= begin and not self._is_made_up(record.topic, *origin):
            self.left_out["sent on"] += 1
            return False
        return self._is_new(record)

    def _is_new(self, record: Record) -> bool:
        """Whether this is no second copy of what was sent on, which a crash may leave behind."""
        origin = self._origin(record)
        if origin is None or self._sent_on.add(record.topic, *origin) or self._is_made_up(record.topic, *origin):
            return True
        self.left_out["sent on twice"] += 1
        return False

    def _is_made_up(self, topic: str, partition: int, offset: int) -> bool:
        """Whether a header names a place that is not older than its record: whoever writes the topic can write that."""
        reached = self.reached.get((topic, partition))
        return reached is not None and offset >= reached

    def _counts_elsewhere(self, record: Record) -> None:
        self._misplaced.add(record.topic, record.partition, record.offset)
        self.left_out["sent on"] += 1

    def _origin(self, record: Record) -> tuple[int, int] | None:
        """Partition and offset at which a record was first read; None unless it was sent on within its topic."""
        return validation.sent_on_from(record, self._partitions[record.topic])

    def _judged(self, records: Iterable[Record]) -> Iterator[tuple[Record, Erasure | None]]:
        for record in records:
            found = read_erasures([record], self._partitions[record.topic])
            if found.misrouted:
                self._counts_elsewhere(record)
            elif self._is_new(record):
                yield record, found.erasures[0] if found.erasures else None
