"""Search and similar videos: asked of Qdrant where it is the index, else of all that features.v1 holds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import NoReturn, TypeVar

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from ranker.library.library import RETRIEVAL, Hit
from ranker.retrieval.index import IndexUnavailable, SearchFilter
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.operations.snapshot import read_gallery, text_vector
from streams.qdrant.index import QdrantIndex, index_of

T = TypeVar("T")
Report = Callable[[str], None]


def search(settings: Settings, words: str, k: int, where: SearchFilter, report: Report) -> list[Hit]:
    """The k videos whose text is nearest to some words, best first."""
    vector = text_vector(settings, words)
    found = _of_qdrant(settings, lambda index: index.find(vector, k, where, "text"), report)
    return read_gallery(settings, report).near(vector, "text", k, where) if found is None else found


def similar(settings: Settings, video_id: str, name: str, k: int, where: SearchFilter, report: Report) -> list[Hit]:
    """The k videos nearest to one of them by the vectors of this name, best first; OperatorError where it has none."""
    found = _of_qdrant(settings, lambda index: beside(index, video_id, name, k, where), report)
    if found is not None:
        return found
    gallery = read_gallery(settings, report)
    if video_id not in gallery.videos:
        raise OperatorError(f"No video {video_id!r} is in the catalogue.", "`freshet search WORDS` finds some.")
    try:
        return gallery.similar(video_id, name, k, where)
    except KeyError:
        _lacks(video_id, name, gallery.videos[video_id].vectors)


async def beside(index: QdrantIndex, video_id: str, name: str, k: int, where: SearchFilter) -> list[Hit]:
    """The same of an index; an IndexUnavailable where it does not hold the video."""
    vectors = await index.vectors_of(video_id)
    if vectors is None:
        raise IndexUnavailable(f"Qdrant does not hold {video_id!r}")
    if name not in vectors:
        _lacks(video_id, name, vectors)
    return await index.find(vectors[name], k, replace(where, exclude=where.exclude | {video_id}), name)


def _of_qdrant(settings: Settings, ask: Callable[[QdrantIndex], Awaitable[T]], report: Report) -> T | None:
    """The answer of the Qdrant server that is set; None, and a sentence if one is set, where it has no answer."""
    if not settings.qdrant_url:
        return None
    try:
        return asyncio.run(_asked(settings, ask))
    except IndexUnavailable as error:
        report(f"{error}; reading features.v1 instead")
        return None


async def _asked(settings: Settings, ask: Callable[[QdrantIndex], Awaitable[T]]) -> T:
    index = index_of(settings, DIM, version_of(fusion_of(settings).version))
    try:
        await index.look()
        return await ask(index)
    finally:
        await index.close()


def _lacks(video_id: str, name: str, vectors: Iterable[str]) -> NoReturn:
    has = ", ".join(sorted(map(_by, vectors))) or "none"
    raise OperatorError(
        f"{video_id!r} has no {_by(name)} vector of the present models; it has: {has}.",
        "Choose another --by; where other models described it, `freshet backfill` on its upload makes one.",
    ) from None


def _by(name: str) -> str:
    """What `--by` calls the vectors of this name."""
    return "fused" if name == RETRIEVAL else name
