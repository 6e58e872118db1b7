"""The topics behind a ranking process's shared state, read in full, without a consumer group, from the start."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable

from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEATURES, TRENDS
from streams.kafka.reader import FETCH_BATCH_SIZE, GrouplessConsumer, bounds, groupless, is_end, partitions_of
from streams.kafka.records import Message, TopicPartition, records_of
from streams.kafka.stalled import pass_stalled
from streams.kafka.unreadable import pass_over_in_thread
from streams.ranking.shared_state import SharedState

log = logging.getLogger("freshet.shared")

PROGRESS_INTERVAL_S = 5.0
POLL_INTERVAL_S = 0.1  # how long a new record may wait before it is applied
CHECK_INTERVAL_S = 1.0  # between two questions to the broker for the topics' ends
NEW_CLIENT_S = 15.0  # without an answer to that question another client asks
MAX_STALENESS_S = 2.0  # no slate is made of a state that is known to be current only up to longer ago
SILENT_FETCHES = 50  # while it catches up: then it is asked what stopped the client
STALL_CHECK_INTERVAL_S = 10.0
MAX_EMPTY_FETCHES = 10  # end a reading, whatever the end is


class CatalogueReplica:
    """Keeps a ranking process's shared state up to date with its topics, which it reads without a consumer group.

    `ready` is set once it has caught up with the topics' ends and knows a video: before, no slate can be made.
    """

    def __init__(self, settings: Settings, shared: SharedState) -> None:
        self.shared = shared
        self.ready = asyncio.Event()
        self._settings = settings
        names = (topic.full(settings.prefix) for topic in (FEATURES, TRENDS, ERASURES))
        self._features, self._trends, self._erasures = names
        self._caught_up = False
        self._next_stall_check_s = 0.0
        self._current_as_of_s = float("-inf")  # when the broker last confirmed that everything had been read

    async def wait_until_current(self, stopped: Callable[[], bool]) -> None:
        """Return once everything withdrawn or erased until two seconds ago is known, or the worker stops.

        A process that was frozen, or cut off, must not show what was withdrawn meanwhile.
        """
        oldest_s = time.monotonic() - MAX_STALENESS_S
        while self._current_as_of_s < oldest_s and not stopped():  # noqa: ASYNC110  # stopping is no asyncio event of ours
            await asyncio.sleep(POLL_INTERVAL_S / 10)

    async def run(self) -> None:
        """Read features.v1, trends.v1 and erasures.v1 from the start, and go on for as long as the process lives."""
        places: list[TopicPartition] = []
        while True:
            # one reads, one asks: a question would wait for the fetches before it, half a second each in quiet times
            with (
                groupless(self._settings, close_in_background=True) as consumer,
                groupless(self._settings, close_in_background=True) as asker,
            ):
                places = await self._read_on(consumer, asker, places or await self._starts(asker))

    async def _starts(self, consumer: GrouplessConsumer) -> list[TopicPartition]:
        topics = (self._features, self._trends, self._erasures)
        return [TopicPartition(t, p, 0) for t in topics for p in await partitions_of(consumer, t)]

    async def _read_on(
        self, consumer: GrouplessConsumer, asker: GrouplessConsumer, places: list[TopicPartition]
    ) -> list[TopicPartition]:
        """Read on from these places; returns where, once the broker has not answered this client for long.

        librdkafka's client can lose its only broker's handle for ever, see docs/reliability.md.
        """
        consumer.assign(places)
        if not self._caught_up:
            await self._catch_up(consumer, places)
        while True:
            if messages := consumer.consume(FETCH_BATCH_SIZE, 0):
                await self._take(consumer, messages)
                self._mark_ready()
            if time.monotonic() - self._current_as_of_s > CHECK_INTERVAL_S:
                try:
                    asked = [place for place in places if place.topic != self._trends]
                    await asyncio.wait_for(self._check(consumer, asker, asked), NEW_CLIENT_S)
                except TimeoutError:
                    log.warning("no answer for %g s; reading on with another client", NEW_CLIENT_S)
                    return [_later(*pair) for pair in zip(places, consumer.position(places), strict=True)]
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _check(self, consumer: GrouplessConsumer, asker: GrouplessConsumer, places: list[TopicPartition]) -> None:
        """Ask for the ends and read up to them."""
        asked_s = time.monotonic()
        there = await asyncio.gather(*(bounds(asker, place.topic, place.partition) for place in places))
        empty_fetches = 0
        while empty_fetches < MAX_EMPTY_FETCHES and any(
            first < end > place.offset for place, (first, end) in zip(consumer.position(places), there, strict=True)
        ):
            messages = await asyncio.to_thread(consumer.consume, FETCH_BATCH_SIZE, POLL_INTERVAL_S)
            empty_fetches = 0 if messages else empty_fetches + 1
            await self._take(consumer, messages)
        if empty_fetches == MAX_EMPTY_FETCHES:
            await self._pass_stalled(consumer, places)
        self._mark_ready()
        self._current_as_of_s = asked_s

    async def _pass_stalled(self, consumer: GrouplessConsumer, places: list[TopicPartition]) -> None:
        """Look for a batch that stops the client without a word, see streams/kafka/stalled.py."""
        if time.monotonic() < self._next_stall_check_s:
            return
        self._next_stall_check_s = time.monotonic() + STALL_CHECK_INTERVAL_S
        for place in places:
            _, end = consumer.get_watermark_offsets(place, cached=True)
            name = place.topic, place.partition
            await asyncio.to_thread(pass_stalled, self._settings, consumer, name, end, place.offset)

    async def _catch_up(self, consumer: GrouplessConsumer, places: list[TopicPartition]) -> None:
        started = logged = time.monotonic()
        behind, empty_fetches = {(place.topic, place.partition) for place in places}, 0
        while behind:
            messages = await asyncio.to_thread(consumer.consume, FETCH_BATCH_SIZE, POLL_INTERVAL_S)
            await self._take(consumer, messages)
            empty_fetches = 0 if messages else empty_fetches + 1
            if empty_fetches >= SILENT_FETCHES:
                await self._pass_stalled(consumer, [one for one in places if (one.topic, one.partition) in behind])
            behind -= {(message.topic(), message.partition()) for message in messages if is_end(message)}
            if behind and time.monotonic() - logged > PROGRESS_INTERVAL_S:
                logged = time.monotonic()
                log.info(
                    "reading the catalogue: %d videos so far, %d partitions to go",
                    len(self.shared.catalogue),
                    len(behind),
                )
        log.info("catalogue of %d videos read in %.1f s", len(self.shared.catalogue), time.monotonic() - started)
        if not len(self.shared.catalogue):
            log.info("waiting for the first video")
        self._caught_up = True
        self._mark_ready()

    def _mark_ready(self) -> None:
        if self._caught_up and len(self.shared.catalogue) and not self.ready.is_set():
            gc.freeze()  # the collector need not walk the catalogue again and again: about a fifth of a slate's cost
            self.ready.set()

    async def _take(self, consumer: GrouplessConsumer, messages: list[Message]) -> None:
        refused: list[Message] = []
        self.shared.apply([record for record in records_of(messages, refused) if record.value])
        await pass_over_in_thread(self._settings, consumer, refused)


def _later(start: TopicPartition, reached: TopicPartition) -> TopicPartition:
    """Where to go on: behind the last record that was read, or where reading began if there was none."""
    return TopicPartition(start.topic, start.partition, max(start.offset, reached.offset))
