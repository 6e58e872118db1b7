"""Search and similar videos: asked of Qdrant where it is the index, otherwise of all that features.v1 holds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from ranker.library.by_words import merged, near_words
from ranker.library.library import RETRIEVAL, Hit
from ranker.retrieval.index import IndexUnavailable, SearchFilter
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.probe import Report
from streams.operations.snapshot import read_library, text_vector
from streams.qdrant.index import QdrantIndex, reader_of

T = TypeVar("T")


def search(settings: Settings, words: str, k: int, where: SearchFilter, report: Report) -> list[Hit]:
    """The k videos whose text, or what is seen or heard in them, is nearest to some words, best first."""
    vector, scales = text_vector(settings, words), modalities_of(settings).met_by_words
    found = _ask_qdrant(settings, lambda index: index.find_by_each(vector, k, where, [*scales]), report)
    if found is not None:
        return merged(found, scales, k)
    return near_words(read_library(settings, report), vector, scales, k, where)


def similar(settings: Settings, video_id: str, name: str, k: int, where: SearchFilter, report: Report) -> list[Hit]:
    """The k videos nearest to one of them by the vectors of this name, best first; OperatorError where it has none."""
    found = _ask_qdrant(settings, lambda index: similar_in(index, video_id, name, k, where), report)
    if found is not None:
        return found
    library = read_library(settings, report)
    if video_id not in library.videos:
        raise OperatorError(f"No video {video_id!r} is in the catalogue.", "`freshet search WORDS` finds some.")
    try:
        return library.similar(video_id, name, k, where)
    except KeyError:
        raise _no_such_vector(video_id, name, library.videos[video_id].vectors) from None


async def similar_in(index: QdrantIndex, video_id: str, name: str, k: int, where: SearchFilter) -> list[Hit]:
    """The same, asked of an index; an IndexUnavailable where it does not hold the video."""
    vectors = await index.vectors_of(video_id)
    if vectors is None:
        raise IndexUnavailable(f"Qdrant does not hold {video_id!r}")
    if name not in vectors:
        raise _no_such_vector(video_id, name, vectors)
    return await index.find(vectors[name], k, replace(where, exclude=where.exclude | {video_id}), name)


def _ask_qdrant(settings: Settings, ask: Callable[[QdrantIndex], Awaitable[T]], report: Report) -> T | None:
    """What the configured Qdrant server answers; None, with a report, where it cannot, and where none is configured."""
    if not settings.qdrant_url:
        return None
    try:
        return asyncio.run(_with_index(settings, ask, report))
    except IndexUnavailable as error:
        report(f"{error}; reading features.v1 instead")
        return None


async def _with_index(settings: Settings, ask: Callable[[QdrantIndex], Awaitable[T]], report: Report) -> T:
    index = reader_of(settings, DIM, version_of(fusion_of(settings).version))
    try:
        if lack := await index.shortfall(settings.partitions):
            report(f"{lack}, so videos may be missing below")
        return await ask(index)
    finally:
        await index.close()


def _no_such_vector(video_id: str, name: str, vectors: Iterable[str]) -> OperatorError:
    has = ", ".join(sorted(map(_by, vectors))) or "none"
    return OperatorError(
        f"{video_id!r} has no {_by(name)} vector of the present models; it has: {has}.",
        "Choose another --by; where other models embedded it, `freshet backfill` on its upload makes one.",
    )


def _by(name: str) -> str:
    """What `--by` calls the vectors of this name."""
    return "fused" if name == RETRIEVAL else name
