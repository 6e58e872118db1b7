"""A Kafka that fits in a page: partitions with offsets, compaction, consumer groups with generations, one clock."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

from schemas.topics import Topic
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from tests.support.events import NOON

LAG_MS = 600_000  # min.compaction.lag.ms of the compacted topics
SESSION_MS = 10_000  # a worker that is silent for so long loses its partitions


Place = tuple[str, int]


class Broker:
    """Logs by topic and partition; time passes only when somebody says so."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.now_ms = NOON
        self.logs: dict[Place, list[Record]] = defaultdict(list)
        self.ends: dict[Place, int] = defaultdict(int)
        self.made: dict[str, int] = defaultdict(int)  # by topic, how often it was deleted and made again
        self.watchers: dict[str, Callable[[Record], None]] = {}  # by topic; they see each record as it is written

    def append(self, topic: str, partition: int, out: Outgoing) -> int:
        """Write one record; gives its offset."""
        place = topic, partition
        offset = self.ends[place]
        self.ends[place] = offset + 1
        record = Record(topic, partition, offset, self.now_ms, out.key, out.value, out.headers)
        self.logs[place].append(record)
        if topic in self.watchers:
            self.watchers[topic](record)
        return offset

    def read(self, topic: str, partition: int, start: int = 0, count: int | None = None) -> list[Record]:
        """Up to `count` records from offset `start` on."""
        if start >= self.ends[topic, partition]:
            return []
        log = self.logs[topic, partition]
        at = bisect_left(log, start, key=_offset)
        return log[at : None if count is None else at + count]

    def everything(self, topic: str) -> list[Record]:
        """All records of a topic, partition after partition."""
        return [record for partition in range(self.partitions) for record in self.logs[topic, partition]]

    def make_again(self, topic: str) -> None:
        """Delete a topic with all that it holds, and make one of the same name."""
        for partition in range(self.partitions):
            self.logs[topic, partition], self.ends[topic, partition] = [], 0
        self.made[topic] += 1

    def compact(self, topic: str) -> None:
        """Keep of each key the last of those records that are old enough, whatever it says."""
        for partition in range(self.partitions):
            log = self.logs[topic, partition]
            old = sum(1 for record in log if record.timestamp <= self.now_ms - LAG_MS)
            last = {record.key: record.offset for record in log[:old]}
            self.logs[topic, partition] = [r for r in log[:old] if last[r.key] == r.offset] + log[old:]


def _offset(record: Record) -> int:
    return record.offset


class Group:
    """The consumer group of one agent: who owns which partition of its source, and what is committed."""

    def __init__(self, broker: Broker, source: Topic) -> None:
        self.source = source.name
        self.partitions = source.partition_count(broker.partitions)
        self.generation = 0
        self.stable = False
        self.members: list[str] = []
        self.owners: dict[int, str] = {}
        self.committed: dict[int, int] = {}
        self._made: dict[int, int] = {}  # by partition: which topic of the name the committed offset is of
        self.on_commit: Callable[[dict[int, int]], None] | None = None
        self._broker = broker
        self._waiting: set[str] = set()
        self._silent: dict[str, int] = {}  # when each member that says nothing will be given up

    def join(self, member: str) -> None:
        """A member has let go of its partitions and waits for new ones."""
        if member not in self.members:
            self.members.append(member)
        self.stable = False
        self._waiting.add(member)
        self._complete()

    def settled(self, member: str) -> bool:
        """Whether a waiting member has its partitions; one that missed a round, or was given up, joins the next."""
        if not self.stable or member not in self.members:
            self.join(member)
        return self.stable

    def leave(self, member: str) -> None:
        """A member is gone, or has been silent for too long."""
        self._silent.pop(member, None)
        if member in self.members:
            self.members.remove(member)
            self._waiting.discard(member)
            self.stable = False
            self._complete()

    def hush(self, member: str) -> None:
        """From now on nothing is heard of this member."""
        self._silent.setdefault(member, self._broker.now_ms + SESSION_MS)

    def heard(self, member: str) -> None:
        """A member speaks again."""
        self._silent.pop(member, None)

    def give_up(self) -> None:
        """Drop the members that were silent for a session."""
        for member in [m for m, until in self._silent.items() if until <= self._broker.now_ms]:
            self.leave(member)

    @property
    def awaited(self) -> bool:
        """Whether somebody silent may still be a member."""
        return bool(self._silent)

    def has(self, member: str, generation: int) -> bool:
        """Whether a member's partitions are still its own."""
        return self.stable and generation == self.generation and member in self.members

    def owned(self, member: str) -> list[int]:
        """Partitions of a member."""
        return [partition for partition, owner in sorted(self.owners.items()) if owner == member]

    def position(self, partition: int) -> int:
        """The committed offset, 0 where it is of a topic that was deleted."""
        is_present = self._made.get(partition) == self._broker.made[self.source]
        return self.committed.get(partition, 0) if is_present else 0

    def commit(self, member: str, generation: int, offsets: dict[int, int], made: int) -> bool:
        """Commit next offsets of a topic; a member of an older generation is refused."""
        if generation != self.generation or member not in self.members:
            return False
        self.committed.update(offsets)
        self._made.update(dict.fromkeys(offsets, made))
        if self.on_commit is not None and made == self._broker.made[self.source]:
            self.on_commit(offsets)
        return True

    def _complete(self) -> None:
        """Hand the partitions out once every member waits for them."""
        if self.members and self._waiting >= set(self.members):
            self.generation += 1
            turn = self.generation % len(self.members)  # so that partitions move
            order = self.members[turn:] + self.members[:turn]
            self.owners = {p: order[p % len(order)] for p in range(self.partitions)}
            self.stable = True
            self._waiting.clear()
