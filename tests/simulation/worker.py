"""A model worker: what the runtime does around an agent, as a generator that may be dropped or left at each step."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from random import Random
from typing import Any

from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, letter_headers
from schemas.settings.model import Settings
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.owned_state import outdated_last
from streams.kafka.records import Record, partition_of
from streams.kafka.sends import Send
from tests.simulation.broker import Broker, Group, Place

LATE_MS = 60_000
SETTINGS = Settings(prefix="", late_ms=LATE_MS)  # without a prefix a topic's full name is its name


class Flaw(StrEnum):
    """A mistake that a worker can be given, to see that the simulation notices it."""

    COMMITS_EARLY = "commits before what it wrote is confirmed"
    LAST_OFFSET_WINS = "recovers the last record of a key instead of the highest version"
    POSITION_LAST = "asks where to go on only after it has recovered its state"
    NO_APPLIED = "forgets which offsets a recovered profile has taken in"
    NO_RECENT_IDS = "forgets which event ids a recovered profile has taken in"
    NO_PAGES = "forgets the event ids that the profiles no longer hold"
    PAGES_AHEAD = "counts event ids whose profile was never written"
    NO_TOPIC_IDS = "does not look which topic of a name its applied offsets are of"
    NO_ORIGIN = "does not look where a rerouted event was first read"
    LEAVES_OVERWRITTEN = "leaves standing what a worker that woke up late wrote over newer values"
    TRUSTS_TAIL = "takes slates over without putting on top again what a worker that woke up late has covered"
    LETTERS_TOGETHER = "sends dead letters together with the profiles instead of before them"
    DROPS_ASTRAY = "drops what lies on a wrong partition instead of sending it on"
    SLATES_OUT_OF_ORDER = "answers people in another order than that of their profiles"
    ANSWERS_OLDEST = "answers a person's oldest profile of a poll"
    LEAVES_SLATES = "says done while the last slates of a poll are still on their way"
    FORGETS_TIMES = "does not recover the newest time of each video"
    FORGETS_EXAMPLES = "does not send examples again that a profile has beside it"
    EXAMPLES_AHEAD = "sends examples again before those that lie between them"
    JOINS_EARLY = "puts the examples of an exposure together before they are sent"
    FORGETS_LEARNED = "does not recover up to which events its parameters are learned from"
    MANIFEST_FIRST = "sends a manifest before its blocks"


class Sends:
    """What a worker has to say: each partition's records go out in runs, in any order of the partitions."""

    def __init__(self, broker: Broker, rng: Random) -> None:
        self.next: dict[Place, int] = {}  # owned partitions: the offset that the next record of ours must get
        self._broker, self._rng = broker, rng
        self._waiting: dict[Place, list[Outgoing]] = defaultdict(list)
        self._on_the_way: list[tuple[Place, list[Outgoing]]] = []

    def put(self, topic: str, partition: int, records: Iterable[Outgoing]) -> None:
        """Add records for one partition."""
        self._waiting[topic, partition].extend(records)

    def put_by_key(self, topic: str, records: Iterable[Outgoing]) -> None:
        """Add records each to its key's partition."""
        for record in records:
            self._waiting[topic, partition_of(record.key or b"", self._broker.partitions)].append(record)

    def sent(self) -> Iterator[str]:
        """Begin to write all; some of it is written now, the rest before anything newer is."""
        yield from self._await_delivery()
        self._begin()
        for _ in range(int(self._rng.random() * 4)):
            if self._on_the_way:
                self._step()
                yield "sent"

    def confirmed(self) -> Iterator[str]:
        """Write all; a worker may end between any two runs, and a run may be written twice by a retry."""
        yield from self._await_delivery()
        self._begin()
        yield from self._await_delivery()

    def _begin(self) -> None:
        self._on_the_way = [(place, records) for place, records in self._waiting.items() if records]
        self._waiting = defaultdict(list)

    def _await_delivery(self) -> Iterator[str]:
        while self._on_the_way:
            self._step()
            yield "sent"

    def _step(self) -> None:
        draw, waiting = self._rng.random, self._on_the_way
        place, records = waiting.pop(int(draw() * len(waiting)))
        count = 1 + int(draw() * len(records))
        for record in records[:count]:
            self._write(place, record)
        if draw() < 0.04:
            count = 0
        if count < len(records):
            waiting.append((place, records[count:]))

    def foreign(self) -> list[Place]:
        """Owned partitions to which somebody else wrote."""
        return [place for place, following in self.next.items() if self._broker.ends[place] > following]

    def _write(self, place: Place, record: Outgoing) -> None:
        before = self._broker.ends[place]
        self._broker.append(*place, record)
        if self.next.get(place) == before:  # with a gap, what lies in it stays to be looked at
            self.next[place] = before + 1


class EndedError(RuntimeError):
    """An agent raised: its process ends."""


class Worker:
    """Joins its group, recovers, handles poll after poll; `recover`, `handle` and `version_of` are an agent's own."""

    agent: str
    writes: str  # the compacted topic of which it alone writes the partitions that it owns

    def __init__(self, name: str, broker: Broker, group: Group, rng: Random, flaw: Flaw | None) -> None:
        self.name, self.broker, self.group, self.rng, self.flaw = name, broker, group, rng, flaw
        self.out = Sends(broker, rng)
        self.stopping = False
        self.made = 0  # which topic of its source's name it reads
        self.committed: dict[int, int] = {}  # where its partitions are to be read on

    def put(self, sends: Iterable[Send]) -> None:
        """Add what a step wants to have sent."""
        for send in sends:
            if send.partition is None:
                self.out.put_by_key(send.topic, send.records)
            else:
                self.out.put(send.topic, send.partition, send.records)

    def recover(self, owned: list[int]) -> Iterator[str]:
        """Read back what the partitions hold."""
        raise NotImplementedError

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Take in a poll and have everything confirmed that it causes."""
        raise NotImplementedError

    def version_of(self, value: bytes) -> int:
        """Which of two values of a key is newer, in the topic that it writes."""
        raise NotImplementedError

    def live(self) -> Iterator[str]:
        """The worker's life; what it yields names the step at which it may be stopped, frozen or killed."""
        try:
            yield from self._work()
        except EndedError:
            self.group.leave(self.name)

    def _work(self) -> Iterator[str]:
        while not self.stopping:
            self.group.join(self.name)
            while not self.group.settled(self.name):
                yield "joining"
            generation, owned = self.group.generation, self.group.owned(self.name)
            self.made = self.broker.made[self.group.source]
            self.out = Sends(self.broker, self.rng)
            position = self._positions(owned)  # before the state: what is recovered then reaches at least as far
            self.committed = {partition: self.group.position(partition) for partition in owned}
            yield from self.recover(owned)
            if self.flaw == Flaw.POSITION_LAST:
                position = self._positions(owned)
            yield from self._take_over(owned)
            yield from self._serve(generation, position)
        self.group.leave(self.name)

    def _take_over(self, owned: list[int]) -> Iterator[str]:
        """Put on top what is newest of these partitions, and from now on look for what others write."""
        self.out.next = {(self.writes, p): self.broker.ends[self.writes, p] for p in owned}
        if not (self.agent == "ranker" and self.flaw == Flaw.TRUSTS_TAIL):
            yield from self._put_again(list(self.out.next))

    def _positions(self, owned: list[int]) -> dict[int, int]:
        """Where to go on; a fetch from before the seek may still be handed out, so some records come twice."""
        return {p: max(0, self.group.position(p) - self.rng.choice((0, 0, 1, 7))) for p in owned}

    def _serve(self, generation: int, position: dict[int, int]) -> Iterator[str]:
        done: dict[int, int] = {}
        while not self.stopping and self._holds(generation):
            yield from self._put_again(self.out.foreign())
            poll = self._fetch(position)
            if not poll:
                self.group.commit(self.name, generation, done, self.made)
                yield "idle"
                continue
            yield "read"
            behind = {partition: records[-1].offset + 1 for partition, records in poll.items()}
            if self.flaw == Flaw.COMMITS_EARLY:
                self.group.commit(self.name, generation, behind, self.made)
            yield from self.handle(poll)
            yield "confirmed"
            position |= behind
            done |= behind
            if self.rng.random() < 0.6:
                self.group.commit(self.name, generation, done, self.made)
                yield "committed"
        self.group.commit(self.name, generation, done, self.made)  # what is done when partitions are taken away

    def _holds(self, generation: int) -> bool:
        """Whether it still believes in its partitions: one that was frozen may handle one more poll before it knows."""
        if self.made != self.broker.made[self.group.source]:
            return False  # the topic was made again
        return self.group.has(self.name, generation) or self.rng.random() < 0.4

    def _fetch(self, position: dict[int, int]) -> dict[int, list[Record]]:
        most = self.rng.choice((1, 3, 10, 40))
        found = {p: self.broker.read(self.group.source, p, start, most) for p, start in position.items()}
        return {partition: records for partition, records in sorted(found.items()) if records}

    def _put_again(self, places: list[Place]) -> Iterator[str]:
        """Put what was overwritten by an older value on top again, before compaction takes the newer one away."""
        if not places or self.flaw == Flaw.LEAVES_OVERWRITTEN:
            return
        for place in places:
            self.out.put(*place, outdated_last(self.broker.read(*place), self.version_of))
            self.out.next[place] = self.broker.ends[place]
        yield from self.out.confirmed()


def batches(records: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut into runs of at most `size`."""
    return (records[start : start + size] for start in range(0, len(records), size))


def posted(letter: DeadLetter) -> Outgoing:
    """A dead letter as a record."""
    return Outgoing(letter.key, letter.value[:LETTER_BYTES], letter_headers(letter, "simulated"))
