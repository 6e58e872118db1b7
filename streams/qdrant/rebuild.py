"""A Qdrant collection made anew from features.v1: for another encoder or fusion, or after the index was lost."""

import asyncio
from collections.abc import Callable

from encoders.fusion.embeddings import DIM, RETRIEVAL, fusion_of, with_fusion_version
from encoders.fusion.fusion import Fusion, version_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import ModalitySet
from ranker.library.library import VideoLibrary
from ranker.retrieval.index import IndexedVideo, VideoIndex
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.encoding.index_sync import to_indexed_video
from streams.errors import OperatorError
from streams.operations.snapshot import read_gallery
from streams.qdrant.index import open_index

AT_ONCE = 256  # videos between two signs of progress
REMEDY = "`freshet backfill LOG` describes them anew; then run `freshet rebuild` again."

Moved = Callable[[int, int], None]  # so many of so many
Report = Callable[[str], None]


def rebuild(settings: Settings, report: Report, moved: Moved) -> int:
    """Fill the collection of the present version and let the alias name it; returns how many videos it holds.

    May run beside the workers and be repeated: an older upload never overwrites a newer one. Where no video has vectors
    of the present models, the alias stays: OperatorError.
    """
    if not settings.qdrant_url:
        raise OperatorError(
            "No Qdrant server is set; the embedded index needs no rebuilding.", "Set FRESHET_QDRANT_URL."
        )
    return asyncio.run(_rebuild(settings, read_gallery(settings, report), fusion_of(settings), report, moved))


async def _rebuild(settings: Settings, gallery: VideoLibrary, fusion: Fusion, report: Report, moved: Moved) -> int:
    index = await open_index(settings, DIM, version_of(fusion.version))
    try:
        put = await fill(index, gallery, fusion, modalities_of(settings), moved)
        lacking = len(gallery.videos) - put
        if lacking and not put:
            raise OperatorError(f"None of {lacking} videos has vectors of the present models; the alias stays.", REMEDY)
        if lacking:
            report(f"{lacking} of {len(gallery.videos)} videos have no vectors of the present models. {REMEDY}")
        await index.take_alias(settings.qdrant_collection)
        return await index.count()
    finally:
        await index.close()


async def fill(index: VideoIndex, gallery: VideoLibrary, fusion: Fusion, modalities: ModalitySet, moved: Moved) -> int:
    """Put all described videos into an index, and take out those that were withdrawn; returns how many were put."""
    videos = [found for video in gallery.videos.values() if (found := in_index(video, fusion, modalities))]
    for start in range(0, len(videos), AT_ONCE):
        await index.upsert(videos[start : start + AT_ONCE])
        moved(min(start + AT_ONCE, len(videos)), len(videos))
    await index.remove(sorted(gallery.withdrawn))
    return len(videos)


def in_index(video: Encoded, fusion: Fusion, modalities: ModalitySet) -> IndexedVideo | None:
    """What an index of this fusion keeps of a video; None where it has no vector of it."""
    now = with_fusion_version(video, fusion, modalities)
    retrieval = now.vectors.get(RETRIEVAL)
    if retrieval is None or retrieval.encoder != version_of(fusion.version):
        return None
    return to_indexed_video(now, modalities)
