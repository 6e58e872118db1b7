"""What an API process knows of videos: the shared state that ranking agents have, and the library that is searched."""

import time
from collections.abc import Sequence

from encoders.fusion.embeddings import DIM, RETRIEVAL, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import restricted_until_ms
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed, learned_of
from ranker.retrieval.exact import ExactIndex
from schemas.messages.videos import CatalogueRecord, Encoded
from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.api.catalogue.filed_library import FiledLibrary
from streams.kafka.records import Record
from streams.operations.snapshot import with_current_vectors
from streams.ranking.sequence import sequence_of
from streams.ranking.shared_state import SharedState, catalogue_record_of
from streams.ranking.slates import models_of
from streams.ranking.step import RankStep


class CatalogueState:
    """The catalogue with what is popular and learned, the feed over it, and the videos with all their vectors.

    shared    what a slate needs beside the person's profile
    feed      the pipeline that the settings name; candidates come from the embedded index
    step      makes slates by it
    library   videos with vectors of the present models alone, which lie on disk
    outdated  videos that have vectors of other models, which are left out
    """

    topics: Sequence[Topic] = SharedState.topics
    checked: Sequence[Topic] = SharedState.checked
    needs = 0  # an empty catalogue has answers too

    def __init__(self, settings: Settings) -> None:
        self.settings, self.modalities, self._fusion = settings, modalities_of(settings), fusion_of(settings)
        encoder = version_of(self._fusion.version)
        self.shared = SharedState(settings, Catalogue(encoder=encoder), self._fusion, learned_of(settings))
        self.feed = build_feed(
            FeedContext(
                self.shared.catalogue,
                ExactIndex(self.shared.catalogue),
                settings,
                clock=time.perf_counter,
                learned=self.shared.learned,
                sequence=sequence_of(settings),
            )
        )
        models = models_of(self.feed, encoder)
        self.step = RankStep(settings, self.shared, self.feed.recommend, models, now_ms=lambda: time.time() * 1000)
        self.library = FiledLibrary(settings.data_dir / "api", {**self.modalities.stored, RETRIEVAL: DIM})
        self.outdated: set[str] = set()
        self._limited_until_ms: dict[str, int] = {}
        self._encoder = encoder
        self._features = self.topics[0].full(settings.prefix)

    def __len__(self) -> int:
        """How many videos may be shown."""
        return len(self.shared)

    @property
    def models(self) -> dict[str, str]:
        """The versions of what makes slates, with what is learned by now."""
        return models_of(self.feed, self._encoder)

    def apply(self, records: Sequence[Record]) -> None:
        """Take in records of these topics; damaged ones are logged and left out."""
        of_videos = [record for record in records if record.topic == self._features]
        if found := [one for record in of_videos if (one := catalogue_record_of(record)) is not None]:
            self.apply_features(found)
        self.shared.apply([record for record in records if record.topic != self._features])

    def settle(self) -> None:
        """Once all is read: videos that came after their trends count as those before, and searches find all ready."""
        self.shared.catalogue.advance(self.shared.catalogue.now_ms)
        for name in (*self.modalities.met_by_words, RETRIEVAL):
            self.library.place("", name)

    def apply_features(self, records: Sequence[CatalogueRecord]) -> None:
        """Take in what the encoding agent made of uploads and withdrawals, in their order."""
        self.shared.apply_features(records)
        self.library.take([self._current(record) for record in records])
        for record in records:
            newest = self.library.newest(record.video_id)
            until_ms = restricted_until_ms(newest) if isinstance(newest, Encoded) else 0
            if until_ms:
                self._limited_until_ms[record.video_id] = until_ms
            else:
                self._limited_until_ms.pop(record.video_id, None)

    def limited(self, now_ms: int) -> frozenset[str]:
        """The videos that moderation shows to their creators' followers alone at this time."""
        return frozenset(video_id for video_id, until_ms in self._limited_until_ms.items() if until_ms > now_ms)

    def _current(self, record: CatalogueRecord) -> CatalogueRecord:
        self.outdated.discard(record.video_id)
        if not isinstance(record, Encoded):
            return record
        if self.modalities.wants_backfill({name: of.encoder for name, of in record.vectors.items()}):
            self.outdated.add(record.video_id)
        return with_current_vectors(record, self._fusion, self.modalities)
