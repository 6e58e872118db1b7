"""A Qdrant collection rebuilt from features.v1: for another encoder or fusion, or after the index was lost."""

import asyncio
from collections.abc import Callable

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import Fusion, version_of
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import ModalitySet
from ranker.library.library import VideoLibrary
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.indexing.step import IndexStep
from streams.kafka.probe import Report
from streams.operations.snapshot import read_library
from streams.qdrant.index import QdrantIndex, open_index
from streams.qdrant.mapping import alias_of

UPSERT_BATCH_SIZE = 256  # videos between two reports of progress
REMEDY = "`freshet backfill LOG` embeds them again; then run `freshet rebuild` again."

OnProgress = Callable[[int, int], None]  # so many of so many


def rebuild(settings: Settings, report: Report, on_progress: OnProgress) -> int:
    """Fill the collection of the present version and let the alias name it; returns how many videos it holds.

    May run beside the workers and be repeated: an older upload never overwrites a newer one. Where no video has vectors
    of the present models, the alias stays: OperatorError.
    """
    if not settings.qdrant_url:
        raise OperatorError(
            "No Qdrant server is set; the embedded index needs no rebuilding.", "Set FRESHET_QDRANT_URL."
        )
    library, fusion = read_library(settings, report), fusion_of(settings)
    return asyncio.run(_rebuild(settings, library, fusion, report, on_progress))


async def _rebuild(
    settings: Settings, library: VideoLibrary, fusion: Fusion, report: Report, on_progress: OnProgress
) -> int:
    index = await open_index(settings, DIM, version_of(fusion.version))
    try:
        written = await fill(index, library, fusion, modalities_of(settings), on_progress)
        missing = len(library.videos) - written
        if missing and not written:
            raise OperatorError(f"None of {missing} videos has vectors of the present models; the alias stays.", REMEDY)
        if missing:
            report(f"{missing} of {len(library.videos)} videos have no vectors of the present models. {REMEDY}")
        await index.take_alias(alias_of(settings))
        return await index.count()
    finally:
        await index.close()


async def fill(
    index: QdrantIndex, library: VideoLibrary, fusion: Fusion, modalities: ModalitySet, on_progress: OnProgress
) -> int:
    """Write all embedded videos and all withdrawals to an index; returns how many videos were written."""
    step = IndexStep(fusion, modalities)
    await index.write(step.changes([*library.withdrawn.values()]))
    videos = step.changes([*library.videos.values()])
    for start in range(0, len(videos), UPSERT_BATCH_SIZE):
        await index.write(videos[start : start + UPSERT_BATCH_SIZE])
        on_progress(min(start + UPSERT_BATCH_SIZE, len(videos)), len(videos))
    return len(videos)
