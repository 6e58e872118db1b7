"""Several partitions read side by side, each in its own order and with bounded memory, for whoever merges them."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.command_reader import SILENCE_S
from streams.kafka.reader import FETCH_TIMEOUT_S, GrouplessConsumer, groupless, is_end
from streams.kafka.records import Message, Place, Record, TopicPartition, records_of
from streams.kafka.stalled import pass_stalled
from streams.kafka.unreadable import pass_over

FETCHED_AT_ONCE = 1000
FULL_RECORDS, FULL_BYTES = 2000, 4 * 1024 * 1024  # of one partition: then it pauses until half of that is taken
FETCH_AHEAD = {"queued.max.messages.kbytes": 8 * 1024, "fetch.message.max.bytes": 1024 * 1024}  # of a client, beside it


class PartitionQueues:
    """Records of several partitions up to an end of each, in offset order a partition.

    starts  the offset at which each partition begins
    """

    def __init__(self, settings: Settings, consumer: GrouplessConsumer, starts: Mapping[Place, int]) -> None:
        self._settings, self._consumer = settings, consumer
        self._queues: dict[Place, deque[Record]] = {place: deque() for place in starts}
        self._bytes = dict.fromkeys(starts, 0)
        self._paused: set[Place] = set()
        self._at_end: set[Place] = set()
        self._ends: Mapping[Place, int] = dict(starts)
        self._reached = dict(starts)  # the offset after the newest one that was fetched
        consumer.assign([TopicPartition(*place, start) for place, start in starts.items()])

    def read_to(self, ends: Mapping[Place, int]) -> None:
        """Let `next` go on to before these offsets."""
        self._ends = ends
        self._at_end.clear()

    def next(self, place: Place) -> Record | None:
        """The next record of a partition, waited for; None once its end is reached."""
        queue, silent_s = self._queues[place], 0.0
        while not queue and self._reached[place] < self._ends[place] and place not in self._at_end:
            silent_s = 0.0 if self._fetch() else silent_s + FETCH_TIMEOUT_S
            if silent_s > SILENCE_S:
                if found := pass_stalled(
                    self._settings, self._consumer, place, self._ends[place], self._reached[place]
                ):
                    self._reached[place], silent_s = found.last + 1, 0.0
                    continue
                raise OperatorError(f"{place[0]}: the broker delivers nothing more, short of the end.", "Try again.")
        if not queue or queue[0].offset >= self._ends[place]:
            return None
        record = queue.popleft()
        self._bytes[place] -= _size(record)
        self._resume(place)
        return record

    def _fetch(self) -> int:
        messages = self._consumer.consume(FETCHED_AT_ONCE, FETCH_TIMEOUT_S)
        ended = {(one.topic(), one.partition()) for one in messages if is_end(one)}
        refused: list[Message] = []
        for record in records_of(messages, refused):
            place = record[:2]
            if record.offset < self._reached[place]:
                continue  # of a topic that was made again, which begins at 0
            self._queues[place].append(record)
            self._bytes[place] += _size(record)
        for batch in pass_over(self._settings, self._consumer, refused):
            self._reached[batch.topic, batch.partition] = batch.last + 1
        for reached in self._consumer.position([TopicPartition(*place) for place in self._queues]):
            place = reached.topic, reached.partition
            self._reached[place] = max(self._reached[place], reached.offset)
        self._at_end |= ended
        self._pause()
        return len(messages)

    def _pause(self) -> None:
        full = [place for place in self._queues if place not in self._paused and self._is_full(place, 1)]
        if full:
            self._consumer.pause([TopicPartition(*place) for place in full])
            self._paused.update(full)

    def _resume(self, place: Place) -> None:
        if place in self._paused and not self._is_full(place, 2):
            self._paused.discard(place)
            self._consumer.resume([TopicPartition(*place)])

    def _is_full(self, place: Place, part: int) -> bool:
        return len(self._queues[place]) * part > FULL_RECORDS or self._bytes[place] * part > FULL_BYTES


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"")


@contextmanager
def partition_queues(settings: Settings, starts: Mapping[Place, int]) -> Iterator[PartitionQueues]:
    """The partitions from these offsets on, for the time of a `with`."""
    with groupless(settings, FETCH_AHEAD) as consumer:
        yield PartitionQueues(settings, consumer, starts)
