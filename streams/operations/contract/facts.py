"""What the contract's rules need to know of records that were read before, and the breach of a rule."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ranker.profile.erasure import coder
from ranker.profile.fold import Arrival
from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, Topic
from streams.kafka.records import Record, partition_of
from streams.ranking.slates import source_offset_of

Place = tuple[str, int, int]  # full topic name, partition, offset
Partition = tuple[str, int]  # full topic name, partition
Offset = tuple[int, int]  # partition, offset

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Breach(NamedTuple):
    """A broken rule, and the record that breaks it."""

    topic: str
    partition: int
    offset: int
    what: str

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}: {self.what}"


class VideoState(NamedTuple):
    """From when on a video was available or withdrawn; `written_ms` is the record's time, `at_ms` the event's."""

    written_ms: int
    at_ms: int
    withdrawn: bool


class History:
    """The accepted events of one person, in the order of the log."""

    __slots__ = ("at_ms", "offsets", "video_ids", "written_ms")

    def __init__(self) -> None:
        self.offsets, self.written_ms, self.at_ms = array("q"), array("q"), array("q")
        self.video_ids: list[str | None] = []

    def add(self, offset: int, written_ms: int, event: feedback.Feedback) -> None:
        """Append the newest event."""
        self.offsets.append(offset)
        self.written_ms.append(written_ms)
        self.at_ms.append(event.at_ms)
        self.video_ids.append(getattr(event, "video_id", None))

    def place(self, offset: int) -> int | None:
        """Index of the event at an offset."""
        at = bisect_left(self.offsets, offset)
        return at if at < len(self.offsets) and self.offsets[at] == offset else None

    def seen(self, offset: int, limit: int, after_ms: int = -1, events: int | None = None) -> set[str]:
        """The last `limit` distinct videos up to an offset, of events after `after_ms`, and of so many at most."""
        seen: set[str] = set()
        last = bisect_right(self.offsets, offset) - 1
        for at in range(last, -1 if events is None else max(-1, last - events), -1):
            video_id = self.video_ids[at]
            if video_id is not None and self.at_ms[at] > after_ms:
                seen.add(video_id)
                if len(seen) == limit:
                    break
        return seen


@dataclass
class Facts:
    """What was read so far, and the rules of later topics need."""

    settings: Settings
    partitions: dict[Topic, int]  # how many each topic has
    dead_letters: set[Place] = field(default_factory=set)  # the originals' places
    erasures: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # person → when written, and until when
    erased_at: dict[Offset, int] = field(default_factory=dict)  # erasure → until when
    tombstones: dict[Offset, int] = field(default_factory=dict)  # null profile → until when its erasure says
    null_slates: dict[str, int] = field(default_factory=dict)  # person → until when they were erased by then
    markers: dict[str, list[int]] = field(default_factory=dict)  # keyed hash of a person → versions of their markers
    video_states: dict[str, list[VideoState]] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    starts: dict[Partition, int] = field(default_factory=dict)  # where each partition's log begins, if not at 0
    began_ms: dict[Partition, int] = field(default_factory=dict)  # of these: when the oldest record left was written
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)  # person → version, trigger's offset
    repeats: int = 0  # slates that were published again with their version, as they may after a crash
    not_judged: int = 0  # messages of the present topic that could only be judged by records that were deleted

    def note(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records; of each partition it is noted where its log begins."""
        begun: set[int] = set()
        for record in records:
            if record.partition not in begun:
                begun.add(record.partition)
                place = record.topic, record.partition
                self.starts[place] = max(record.offset, self.starts.get(place, 0))
                if self.starts[place]:
                    self.began_ms[place] = record.timestamp
            yield record

    def is_deleted(self, topic: str, partition: int, offset: int) -> bool:
        """Whether an offset lies before the beginning of its partition's log."""
        return offset < self.starts.get((topic, partition), 0)

    def may_be_deleted(self, topic: str, written_ms: int) -> bool:
        """Whether a record of this time may be missing from a topic because its log no longer goes so far back."""
        return any(name == topic and written_ms <= began_ms for (name, _), began_ms in self.began_ms.items())

    def erased_until_ms(self, user_id: str, written_ms: int | None = None) -> int:
        """Until when a person is erased, by the erasures written up to a moment; -1: they are not."""
        found = self.erasures.get(user_id, ())
        return max((at_ms for when_ms, at_ms in found if written_ms is None or when_ms <= written_ms), default=-1)

    def add_null_slate(self, record: Record) -> None:
        """Note until when a null slate's person is erased: by its own erasure, where its tombstone is there."""
        user_id, answered = (record.key or b"").decode("utf-8", "replace"), source_offset_of(record)
        until_ms = self.tombstones.get((record.partition, answered))
        if until_ms is None:
            until_ms = self.erased_until_ms(user_id, record.timestamp)
        self.null_slates[user_id] = max(until_ms, self.null_slates.get(user_id, -1))

    def is_since(self, arrival: Arrival) -> bool:
        """Whether an event is newer than its person's last erasure."""
        return arrival.event.at_ms > self.erased_until_ms(arrival.event.user_id)

    def life(self, user_id: str, version: int) -> int:
        """How many events a profile of this version has applied: its versions began above its person's last marker.

        An erasure drops a profile as a whole, also what it holds of events from after the erasure's time.
        """
        if not self.markers:
            return version
        code = coder(self.settings.erasure_key.get_secret_value())(user_id)
        return version - max((one for one in self.markers.get(code, ()) if one < version), default=0)

    def home(self, topic: Topic, key: str) -> int:
        """The partition on which a key's records belong."""
        return partition_of(key.encode("utf-8", "surrogatepass"), self.partitions[topic])

    def full(self, topic: Topic) -> str:
        """Name on the broker."""
        return topic.full(self.settings.prefix)


def breach(record: Record, what: str) -> Breach:
    """A breach at a record."""
    return Breach(record.topic, record.partition, record.offset, what)


def misplaced(record: Record, topic: Topic, facts: Facts, key: str | None = None) -> Iterator[Breach]:
    """No key, another key than the message's, or another partition than murmur2 of the key gives."""
    if record.key is None:
        yield breach(record, "has no key")
        return
    if key is not None and record.key != key.encode("utf-8", "surrogatepass"):
        yield breach(record, f"its key is not {key}")
    partition = partition_of(record.key, facts.partitions[topic])
    if partition != record.partition:
        yield breach(record, f"its key belongs on partition {partition}")


def no_dead_letter(record: Record, facts: Facts, why: str) -> Iterator[Breach]:
    """A record that cannot be used, and for which no dead letter was written."""
    if (record.topic, record.partition, record.offset) in facts.dead_letters:
        return
    if facts.may_be_deleted(facts.full(DEAD_LETTERS), record.timestamp):
        facts.not_judged += 1
    else:
        yield breach(record, f"cannot be used, and there is no dead letter for it: {why}")
