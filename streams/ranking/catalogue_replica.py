"""Topics that a process reads in full, without a consumer group, from the start: those behind its shared state."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.kafka.client import PATIENCE_S, answered_in_time
from streams.kafka.log_ends import LogEnds
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.reader import FETCH_BATCH_SIZE, GrouplessConsumer, groupless, is_end, partitions_of
from streams.kafka.records import Message, Place, Record, TopicPartition, records_of
from streams.kafka.rights import Rights
from streams.kafka.security import librdkafka_options
from streams.kafka.stalled import SILENT_S, pass_stalled
from streams.kafka.thinned_log import Thinned
from streams.kafka.topic_watch import TopicIdentity, TopicWatch, made_again
from streams.kafka.unreadable import pass_over_in_thread
from streams.kafka.waits import Waits

log = logging.getLogger("freshet.shared")
log.addFilter(Thinned())

PROGRESS_INTERVAL_S = 5.0
POLL_INTERVAL_S = 0.1  # how long a new record may wait before it is applied
STALL_CHECK_INTERVAL_S = 10.0
CHECK_INTERVAL_S = 1.0  # between two questions to the broker for the topics' ends
MAX_STALENESS_S = 2.0  # no slate is made of a state that is known to be current only up to longer ago


class Replicated(Protocol):
    """State that comes from topics; its length is the number of videos that it knows.

    topics   that are read
    checked  of these: whose ends are asked for each second, since nobody may be answered by what is older
    needs    how many videos there have to be before it is of use
    """

    topics: Sequence[Topic]
    checked: Sequence[Topic]
    needs: int

    def apply(self, records: Sequence[Record]) -> None: ...
    def __len__(self) -> int: ...


class CatalogueReplica:
    """Keeps a process's shared state up to date with its topics, which it reads without a consumer group.

    `ready` is set once it has caught up with the topics' ends and is of use: before, no slate can be made.
    """

    def __init__(self, settings: Settings, shared: Replicated, watch: TopicWatch, waits: Waits | None = None) -> None:
        self.shared, self._watch = shared, watch
        self.ready = asyncio.Event()
        self._settings = settings
        self._names = [topic.full(settings.prefix) for topic in shared.topics]
        self._checked = {topic.full(settings.prefix) for topic in shared.checked}
        self._caught_up = False
        self._topics: Mapping[str, TopicIdentity] = {}  # of which the offsets are that were read
        self._ends: dict[tuple[str, int], int] = {}  # by topic and partition, as this client has met them
        self._passed: dict[tuple[str, int], int] = {}  # the offset behind the batch that this client passed over last
        self._next_stall_check_s = 0.0
        self._log_ends = LogEnds(settings, may_be_read=True)
        self._rights = Rights(librdkafka_options(settings), waits or Waits())
        self.read: dict[tuple[str, int], int] = {}  # by topic and partition, the offset behind what is applied
        self._current_as_of_s = float("-inf")  # when the broker last confirmed that everything had been read

    def topic_id(self, topic: str) -> str:
        """The id of the topic that was read under this name; empty while it is not known."""
        found = self._topics.get(topic)
        return found.id if found else ""

    async def wait_until_current(self, stopped: Callable[[], bool]) -> bool:
        """Return once everything withdrawn or erased until two seconds ago is known, or the worker stops.

        True where it did not have to wait. A process that was frozen, or cut off, must not show what was withdrawn
        meanwhile.
        """
        oldest_s, waited = time.monotonic() - MAX_STALENESS_S, False
        while self._current_as_of_s < oldest_s and not stopped():
            await asyncio.sleep(POLL_INTERVAL_S / 10)
            waited = True
        return not waited

    async def run(self) -> None:
        """Read the topics from the start, and go on for as long as the process lives."""
        places: list[TopicPartition] = []
        while True:
            with groupless(self._settings, close_in_background=True) as consumer, suppress(TimeoutError):
                places = places or await self._starts(consumer)
                places = await self._read_on(consumer, places)

    async def _starts(self, consumer: GrouplessConsumer) -> list[TopicPartition]:
        return [TopicPartition(t, p, 0) for t in self._names for p in await partitions_of(consumer, t)]

    async def _read_on(self, consumer: GrouplessConsumer, places: list[TopicPartition]) -> list[TopicPartition]:
        """Read on from these places; returns where, once the broker has not answered this client for long.

        librdkafka's client can lose its only broker's handle for ever, see docs/reliability.md.
        """
        self._ends.clear()
        self._passed.clear()
        consumer.assign(places)
        while True:
            if again := made_again(self._topics, self._watch.current):
                log.warning("deleted and made again: %s; the catalogue's topics are read from their beginning", again)
                self._topics = {}
                self.read.clear()
                return [TopicPartition(place.topic, place.partition, 0) for place in places]
            self._topics = self._topics or self._watch.current  # the first answer may be still to come
            if messages := consumer.consume(FETCH_BATCH_SIZE, 0):
                await self._take(consumer, messages)
                self._mark_ready()
            if time.monotonic() - self._current_as_of_s > CHECK_INTERVAL_S:
                try:
                    asked = [place for place in places if place.topic in self._checked or not self._caught_up]
                    await self._check(consumer, asked)
                except TimeoutError as why:
                    log.warning("%s; reading on with another client", why, extra=OF_OUTAGE)
                    return self._later_ones(places, consumer)
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _check(self, consumer: GrouplessConsumer, places: list[TopicPartition]) -> None:
        """Ask for the ends and read up to them; TimeoutError where the broker does not answer, or delivers nothing."""
        asked_s = time.monotonic()
        await self._rights.look()
        # Another client asks: a question to the one that reads waits for its fetch, half a second in quiet times.
        ends = await answered_in_time(self._log_ends.all_ends, [(place.topic, place.partition) for place in places])
        behind = self._behind(consumer, ends)
        if behind:  # an end up to which nothing is held any more cannot be read up to
            firsts = await answered_in_time(self._log_ends.firsts, behind)
            behind = {place: end for place, end in behind.items() if firsts.get(place, 0) < end}
        heard_s = reported_s = time.monotonic()
        while behind := self._behind(consumer, behind):
            messages = await asyncio.to_thread(consumer.consume, FETCH_BATCH_SIZE, POLL_INTERVAL_S)
            await self._take(consumer, messages)
            heard_s = time.monotonic() if messages else heard_s
            await self._pass_stalled(consumer, places, heard_s)
            if time.monotonic() - heard_s > PATIENCE_S:
                raise TimeoutError(f"nothing came for {PATIENCE_S:g} s, short of the end")
            if not self._caught_up and time.monotonic() - reported_s > PROGRESS_INTERVAL_S:
                reported_s, so_far = time.monotonic(), len(self.shared)
                log.info("reading the catalogue: %d videos so far, %d partitions to go", so_far, len(behind))
        if not self._caught_up:
            self._caught_up = True
            log.info("catalogue of %d videos read in %.1f s", len(self.shared), time.monotonic() - asked_s)
            if len(self.shared) < self.shared.needs:
                log.info("waiting for the first video")
        self._mark_ready()
        self._current_as_of_s = asked_s

    def _behind(self, consumer: GrouplessConsumer, ends: Mapping[Place, int]) -> dict[Place, int]:
        """Those of the ends that are not reached yet."""
        reached = consumer.position([TopicPartition(*place) for place in ends])
        return {
            place: end for (place, end), at in zip(ends.items(), reached, strict=True) if end > self._read_up_to(at)
        }

    async def _pass_stalled(
        self, consumer: GrouplessConsumer, places: Iterable[TopicPartition], heard_s: float
    ) -> None:
        """After a long silence look for a batch that stops the client without a word, see streams/kafka/stalled.py."""
        now_s = time.monotonic()
        if now_s - heard_s < SILENT_S or now_s < self._next_stall_check_s:
            return
        for place in places:
            _, end = consumer.get_watermark_offsets(place, cached=True)
            name = place.topic, place.partition
            start = max(place.offset, self._passed.get(name, 0))
            if found := await asyncio.to_thread(pass_stalled, self._settings, consumer, name, end, start):
                self._passed[name] = found.last + 1
        self._next_stall_check_s = time.monotonic() + STALL_CHECK_INTERVAL_S

    def _mark_ready(self) -> None:
        if self._caught_up and len(self.shared) >= self.shared.needs and not self.ready.is_set():
            gc.freeze()  # the collector need not walk the catalogue again and again: about a fifth of a slate's cost
            self.ready.set()

    def _read_up_to(self, position: TopicPartition) -> int:
        """The offset before which all is read; where markers of transactions end a partition no record says so."""
        return max(position.offset, self._ends.get((position.topic, position.partition), -1))

    def _later_ones(self, places: list[TopicPartition], consumer: GrouplessConsumer) -> list[TopicPartition]:
        """Where to go on: behind the last record that was read or passed over, or where reading began."""
        return [self._later(*pair) for pair in zip(places, consumer.position(places), strict=True)]

    def _later(self, start: TopicPartition, reached: TopicPartition) -> TopicPartition:
        passed = self._passed.get((start.topic, start.partition), 0)
        return TopicPartition(start.topic, start.partition, max(start.offset, reached.offset, passed))

    async def _take(self, consumer: GrouplessConsumer, messages: Sequence[Message]) -> None:
        refused: list[Message] = []
        messages = self._rights.without_refusals(messages)
        self._ends.update({(m.topic(), m.partition()): m.offset() for m in messages if is_end(m)})
        self.shared.apply([record for record in records_of(messages, refused) if record.value])
        self.read.update({(m.topic(), m.partition()): m.offset() + 1 for m in messages if m.error() is None})
        for batch in await pass_over_in_thread(self._settings, consumer, refused):
            self._passed[batch.topic, batch.partition] = batch.last + 1
