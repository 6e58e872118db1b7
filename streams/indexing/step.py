"""The indexing step: records of features.v1 to what an index holds of them.

It knows no Kafka and no clock. The agent and `freshet rebuild` call it.
"""

from collections.abc import Iterable, Sequence

from encoders.fusion.embeddings import DIM, RETRIEVAL, with_fusion_version
from encoders.fusion.fusion import Fusion, version_of
from encoders.modalities.modality import ModalitySet
from ranker.retrieval.index import IndexedVideo
from schemas.messages.plain_text import language_code
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import CatalogueRecord, Encoded, Withdrawn
from streams.kafka.records import Record
from streams.qdrant.mapping import Change, Withdrawal
from streams.ranking.shared_state import catalogue_record_of

ABOUT = (  # kept by the index, and not searched
    "title", "found_tags", "duration_ms", "music_id", "labels", "expires", "source",
)  # fmt: skip


class IndexStep:
    """Makes changes of an index of catalogue records, with retrieval vectors of one fusion.

    missing  how many videos had no vectors of the present models, and are left out
    """

    def __init__(self, fusion: Fusion, modalities: ModalitySet) -> None:
        self._fusion, self._modalities = fusion, modalities
        self.missing = 0

    def apply(self, records: Iterable[Record]) -> list[Change]:
        """What has to change, of each video its newest record alone; damaged records are logged and left out."""
        return self.changes([one for record in records if (one := catalogue_record_of(record)) is not None])

    def changes(self, records: Sequence[CatalogueRecord]) -> list[Change]:
        """The same of records that are decoded."""
        newest: dict[str, CatalogueRecord] = {}
        for one in records:
            known = newest.get(one.video_id)
            if known is None or one.at_ms >= known.at_ms:
                newest[one.video_id] = one
        changes = [self._change(one) for one in newest.values()]
        self.missing += changes.count(None)
        return [change for change in changes if change is not None]

    def _change(self, one: CatalogueRecord) -> Change | None:
        if isinstance(one, Withdrawn):
            return Withdrawal(one.video_id, one.at_ms)
        return indexed_by(self._fusion, one, self._modalities)


def indexed_by(fusion: Fusion, video: Encoded, modalities: ModalitySet) -> IndexedVideo | None:
    """What an index of this fusion keeps of a video; None where it has no vector of it."""
    current = with_fusion_version(video, fusion, modalities)
    retrieval = current.vectors.get(RETRIEVAL)
    if retrieval is None or retrieval.encoder != version_of(fusion.version):
        return None
    return to_indexed_video(current, modalities)


def to_indexed_video(video: CatalogueRecord, modalities: ModalitySet) -> IndexedVideo | None:
    """What an index keeps of a video, or None where there is nothing to find it by.

    Of the modalities only what the present models made, so that no two versions lie in one collection.
    """
    vector = decode_vector(video.vectors.get(RETRIEVAL), DIM) if isinstance(video, Encoded) else None
    if not isinstance(video, Encoded) or vector is None:
        return None
    rows = {
        name: decode_vector(vector, modalities.stored[name])
        for name, vector in video.vectors.items()
        if modalities.is_current(name, vector.encoder)
    }
    return IndexedVideo(
        video_id=video.video_id,
        vector=vector,
        at_ms=video.at_ms,
        creator_id=video.creator_id,
        category=video.category,
        language=language_code(video.language),
        tags=tuple(video.tags),
        modalities={name: row for name, row in rows.items() if row is not None},
        about={name: value for name in ABOUT if (value := getattr(video, name))},
    )
