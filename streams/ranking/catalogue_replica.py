"""Shared state of a ranking process: the whole catalogue and the trends, read without a group from the start."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from encoders.fusion.embeddings import with_fusion_version
from encoders.fusion.fusion import Fusion
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.popularity import merge
from ranker.profile.erasure import Erased
from schemas.messages import videos
from schemas.messages.trends import Trends
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEATURES, TRENDS
from streams.kafka.reader import FETCH_BATCH_SIZE, GrouplessConsumer, bounds, groupless, is_end, partitions_of
from streams.kafka.records import Message, TopicPartition, records_of
from streams.profiles.erasure import read_erasures
from streams.profiles.trends import read_trends

log = logging.getLogger("freshet.shared")

SAY_EVERY_S = 5.0
LOOK_S = 0.1  # how long something new may wait before it is taken in
CHECK_S = 1.0  # between two questions to the broker whether this is all
ANEW_S = 15.0  # without an answer to that question another client asks
STALE_S = 2.0  # no slate is made of what was all so long ago
SILENCES = 10  # answers without a record that end a reading, whatever the end is


class CatalogueReplica:
    """What every ranking process knows in full.

    `ready` is set once it has caught up with the topics' ends and knows a video: before, no slate can be made.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, fusion: Fusion | None = None) -> None:
        self.catalogue = catalogue
        self._fusion = fusion  # of the retrieval vectors; None: as they come
        self.erased = Erased(ERASURES.retention_ms or 0)
        self.ready = asyncio.Event()
        self._settings = settings
        self._features = FEATURES.full(settings.prefix)
        self._trends = TRENDS.full(settings.prefix)
        self._erasures = ERASURES.full(settings.prefix)
        self._parts: dict[int, Trends] = {}  # newest record by source partition
        self._caught_up = False
        self._current_as_of_s = float(
            "-inf"
        )  # when the broker said that there is no more than what has been read since

    async def wait_until_current(self, stopped: Callable[[], bool]) -> None:
        """Return once all is known that was withdrawn or erased two seconds ago, or nobody wants to know any more.

        A process that was frozen, or cut off, shall not show what is gone meanwhile.
        """
        enough_s = time.monotonic() - STALE_S
        while self._current_as_of_s < enough_s and not stopped():  # noqa: ASYNC110  # what stops is no event of ours
            await asyncio.sleep(LOOK_S / 10)

    async def run(self) -> None:
        """Read features.v1, trends.v1 and erasures.v1 from the start, and go on for as long as the process lives."""
        places: list[TopicPartition] = []
        while True:
            # one reads and one asks: a question would wait for the fetches before it, half a second each in quiet times
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
            await self._catch_up(consumer, {(place.topic, place.partition) for place in places})
        while True:
            if messages := consumer.consume(FETCH_BATCH_SIZE, 0):
                self._take(messages)
                self._mark_ready()
            if time.monotonic() - self._current_as_of_s > CHECK_S:
                try:
                    asked = [place for place in places if place.topic != self._trends]
                    await asyncio.wait_for(self._check(consumer, asker, asked), ANEW_S)
                except TimeoutError:
                    log.warning("no answer for %g s; reading on with another client", ANEW_S)
                    return [_later(*pair) for pair in zip(places, consumer.position(places), strict=True)]
            await asyncio.sleep(LOOK_S)

    async def _check(self, consumer: GrouplessConsumer, asker: GrouplessConsumer, places: list[TopicPartition]) -> None:
        """Ask for the ends and read up to them."""
        asked_s = time.monotonic()
        there = await asyncio.gather(*(bounds(asker, place.topic, place.partition) for place in places))
        silences = 0
        while silences < SILENCES and any(
            first < end > place.offset for place, (first, end) in zip(consumer.position(places), there, strict=True)
        ):
            messages = await asyncio.to_thread(consumer.consume, FETCH_BATCH_SIZE, LOOK_S)
            silences = 0 if messages else silences + 1
            self._take(messages)
        self._mark_ready()
        self._current_as_of_s = asked_s

    async def _catch_up(self, consumer: GrouplessConsumer, behind: set[tuple[str, int]]) -> None:
        started = said = time.monotonic()
        while behind:
            messages = await asyncio.to_thread(consumer.consume, FETCH_BATCH_SIZE, LOOK_S)
            self._take(messages)
            behind -= {(message.topic(), message.partition()) for message in messages if is_end(message)}
            if behind and time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                log.info(
                    "reading the catalogue: %d videos so far, %d partitions to go", len(self.catalogue), len(behind)
                )
        log.info("catalogue of %d videos read in %.1f s", len(self.catalogue), time.monotonic() - started)
        if not len(self.catalogue):
            log.info("waiting for the first video")
        self._caught_up = True
        self._mark_ready()

    def _mark_ready(self) -> None:
        if self._caught_up and len(self.catalogue) and not self.ready.is_set():
            gc.freeze()  # the collector need not walk the catalogue again and again: about a fifth of a slate's cost
            self.ready.set()

    def _take(self, messages: list[Message]) -> None:
        records = [record for record in records_of(messages) if record.value]
        for record in records:
            if record.topic == self._erasures:  # what is wrong with others is said by the profiles agent
                for erasure in read_erasures([record], self._settings.partitions).erasures:
                    self.erased.take(erasure.user_id, erasure.at_ms, record.timestamp)
        features = [decoded for r in records if r.topic == self._features and (decoded := features_of(r)) is not None]
        if features:
            self.catalogue.apply(map(self._with_fusion_version, features))
        trends = [part for r in records if r.topic == self._trends and (part := read_trends(r)) is not None]
        if trends:
            self._count({part.partition: part for part in trends})

    def _with_fusion_version(self, one: videos.CatalogueRecord) -> videos.CatalogueRecord:
        if self._fusion is None or not isinstance(one, videos.Encoded):
            return one
        return with_fusion_version(one, self._fusion, self._settings.image_precision)

    def _count(self, newer: dict[int, Trends]) -> None:
        """Go on to the tick of newer trends; only what changed since is added up anew."""
        periods = {part.period for part in (*self._parts.values(), *newer.values())}
        changed = {
            video_id for partition, part in newer.items() for video_id in _differing(self._parts.get(partition), part)
        }
        self._parts.update(newer)
        parts = [part for _, part in sorted(self._parts.items())]
        if len(periods) > 1:  # units change with the period, also of videos that no record names any more
            changed = {*self.catalogue.popularity_by_id, *(video_id for part in parts for video_id in part.counts)}
        popular = merge(parts, changed)
        self.catalogue.advance(popular.tick * 1000, popular)


def _later(start: TopicPartition, reached: TopicPartition) -> TopicPartition:
    """Where to go on: behind the last record that was read, or where reading began if there was none."""
    return TopicPartition(start.topic, start.partition, max(start.offset, reached.offset))


def _differing(old: Trends | None, new: Trends) -> set[str]:
    if old is None:
        return set(new.counts)
    return {video_id for video_id, _ in old.counts.items() ^ new.counts.items()}


def features_of(record: Any) -> videos.CatalogueRecord | None:
    """Decode one record of features.v1; a damaged one is left out and said, for only our encoder writes there."""
    try:
        return videos.decode_features(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s[%d]@%d is damaged and left out: %s", record.topic, record.partition, record.offset, error)
        return None
