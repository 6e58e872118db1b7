"""What every ranking process knows in full: the catalogue, its popularity, who was erased, what was learned.

No Kafka, no clock.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from encoders.fusion.embeddings import with_fusion_version
from encoders.fusion.fusion import Fusion
from encoders.modalities.configured import modalities_of
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.compaction import compact, forget_popularity
from ranker.catalogue.popularity import TrendCounts, merge
from ranker.learning.parameters import Learned, Parameters
from ranker.learning.publication import Subscription
from ranker.profile.erasure import RecentErasures
from schemas.messages import videos
from schemas.messages.trends import Trends
from schemas.messages.videos import CatalogueRecord
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEATURES, TRENDS, UPLOADS, WEIGHTS, Topic
from streams.kafka.records import Record
from streams.profiles.erasure import read_erasures
from streams.profiles.trends import read_trends
from streams.ranking.published_parameters import PublishedParameters

log = logging.getLogger("freshet.shared")

Counts = Trends | TrendCounts


class SharedState:
    """The state that a slate needs beside the person's profile; a replay advances it at each second of event time.

    fusion   of the retrieval vectors, which other vectors are brought to; None: as they come
    learned  what is known before anything is published; brought up to date in place
    """

    topics: Sequence[Topic] = (FEATURES, TRENDS, ERASURES, WEIGHTS)
    checked: Sequence[Topic] = (FEATURES, ERASURES)
    needs = 1

    def __init__(
        self, settings: Settings, catalogue: Catalogue, fusion: Fusion | None = None, learned: Learned | None = None
    ) -> None:
        self.catalogue = catalogue
        self.learned = learned or Learned(Parameters())
        self._published = PublishedParameters(Subscription(self.learned.parameters))
        self.erasures = RecentErasures(ERASURES.retention_ms or 0)
        self._settings, self._fusion, self._modalities = settings, fusion, modalities_of(settings)
        self._features, self._trends, self._erasures, self._weights = (t.full(settings.prefix) for t in self.topics)
        self._parts: dict[int, Counts] = {}  # newest counts by source partition
        self._period = -1  # of the counts that the catalogue knows

    def apply(self, records: Sequence[Record]) -> None:
        """Take in records of these topics; damaged ones are logged and left out."""
        for record in records:
            if record.topic == self._erasures and record.value:  # the profiles agent writes the others' dead letters
                for erasure in read_erasures([record], self._settings.partitions).erasures:
                    self.erasures.add(erasure.user_id, erasure.at_ms, record.timestamp)
        found = [one for r in records if r.topic == self._features and (one := catalogue_record_of(r)) is not None]
        if found:
            self.apply_features(found)
        counts = [part for r in records if r.topic == self._trends and r.value and (part := read_trends(r)) is not None]
        if counts:
            self._count({part.partition: part for part in counts})
        if published := [record for record in records if record.topic == self._weights]:
            self._published.apply(published)

    @property
    def parameters_number(self) -> int:
        """Number of the published parameters in use; 0 before any were published."""
        current = self._published.subscription.current
        return 0 if current is None else current.number

    def __len__(self) -> int:
        """How many videos are known."""
        return len(self.catalogue)

    def apply_features(self, records: Iterable[CatalogueRecord]) -> None:
        """Take in what the encoding agent made of uploads and withdrawals, in their order."""
        self.catalogue.apply(map(self._with_fusion_version, records))

    def _count(self, newer: Mapping[int, Trends]) -> None:
        changed = {
            video_id for partition, part in newer.items() for video_id in _differing(self._parts.get(partition), part)
        }
        ticks = [part.tick for part in {**self._parts, **newer}.values() if isinstance(part, Trends)]
        self.advance(max(ticks), newer, changed)

    def advance(self, tick: int, parts: Mapping[int, Counts], changed: Iterable[str]) -> None:
        """Go on to a second of event time; popularity is added up again for the videos that changed.

        When a period of the trends begins, units change, also of videos that no partition names any more: all count.
        """
        self._parts.update(parts)
        ordered = [part for _, part in sorted(self._parts.items())]
        period = max((part.period for part in ordered), default=0)
        if period != self._period:
            changed = {*self.catalogue.popularity_by_id, *(video_id for part in ordered for video_id in part.counts)}
        self._period = period
        self.catalogue.advance(tick * 1000, merge(ordered, changed))
        forget_popularity(self.catalogue, ordered)

    async def give_back(self) -> None:
        """Give back the rows of videos that are gone; called between two polls, when no slate is in the making."""
        compact(self.catalogue, self.catalogue.now_ms - (UPLOADS.retention_ms or self.catalogue.now_ms))

    def _with_fusion_version(self, one: CatalogueRecord) -> CatalogueRecord:
        if self._fusion is None or not isinstance(one, videos.Encoded):
            return one
        return with_fusion_version(one, self._fusion, self._modalities)


def catalogue_record_of(record: Record) -> CatalogueRecord | None:
    """Decode one record of features.v1; None for a tombstone, and for a damaged one, which is logged."""
    if not record.value:
        return None
    try:
        return videos.decode_features(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s[%d]@%d is damaged and left out: %s", record.topic, record.partition, record.offset, error)
        return None


def _differing(old: Counts | None, new: Trends) -> set[str]:
    if old is None:
        return set(new.counts)
    return {video_id for video_id, _ in old.counts.items() ^ new.counts.items()}
