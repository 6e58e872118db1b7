"""Keeping a vector index up to date with what the encoders made of uploads and withdrawals."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from encoders.fusion.embeddings import RETRIEVAL
from encoders.modalities.modality import ModalitySet
from ranker.retrieval.index import IndexedVideo, IndexRefused, IndexUnavailable, VideoIndex
from schemas.messages.plain_text import language_code
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import CatalogueRecord, Encoded, Withdrawn

log = logging.getLogger("freshet.encoding")

ABOUT = ("title", "duration_ms", "music_id", "labels", "expires", "source")  # kept by the index, and not searched
RETRY_DELAY_S = 2.0  # before an index that did not answer is asked again

UpdateIndex = Callable[[Sequence[CatalogueRecord]], Awaitable[None]]


async def update_index(index: VideoIndex, records: Sequence[CatalogueRecord], modalities: ModalitySet) -> None:
    """Bring the index up to these records, however long it is away: the poll stays in flight."""
    newest = {one.video_id: one for one in sorted(records, key=lambda one: one.at_ms)}
    while True:
        try:
            await index.upsert([video for one in newest.values() if (video := to_indexed_video(one, modalities))])
            await index.remove([one.video_id for one in newest.values() if isinstance(one, Withdrawn)])
            return
        except IndexRefused:
            raise  # a wrong key or collection does not go away by itself
        except IndexUnavailable as error:
            log.warning("%d videos wait for the index: %s", len(newest), error)
            await asyncio.sleep(RETRY_DELAY_S)


def to_indexed_video(video: CatalogueRecord, modalities: ModalitySet) -> IndexedVideo | None:
    """What an index keeps of a video, or None where there is nothing to find it by.

    Of the modalities only what the present models made, so that no two versions lie in one collection.
    """
    vector = decode_vector(video.vectors.get(RETRIEVAL)) if isinstance(video, Encoded) else None
    if not isinstance(video, Encoded) or vector is None:
        return None
    rows = {
        name: decode_vector(vector, modalities.dims[name])
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
