"""How many of the nearest videos Qdrant's graph search finds: asked of the server alone, for videos taken at random."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from ranker.catalogue.arrays import Vectors
from ranker.retrieval.index import Hits
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka.probe import Report
from streams.qdrant.client import Patience
from streams.qdrant.index import QdrantIndex, reader_of

PATIENT = Patience(30.0, 60.0)  # an exact search of a large collection takes long, and no slate waits for it
QUERIES_AT_ONCE = 16


@dataclass(frozen=True)
class Recall:
    """What a search found of the `many` nearest other videos of each of `sample` videos.

    recall    the mean share that was found, and `lowest` the least of one video
    ms        a query, in batches of 16, and `exact_ms` of the exact search that it is compared with
    """

    videos: int
    sample: int
    many: int
    ef: int
    recall: float
    lowest: float
    ms: float
    exact_ms: float


def recall(settings: Settings, sample: int, many: int, ef: int | None, report: Report) -> Recall:
    """Measure it with the width that slates are searched with, or another one."""
    if not settings.qdrant_url:
        raise OperatorError("No Qdrant server is set, and the embedded index is exact.", "Set FRESHET_QDRANT_URL.")
    return asyncio.run(_recall(settings, sample, many, ef, report))


async def _recall(settings: Settings, sample: int, many: int, ef: int | None, report: Report) -> Recall:
    made = reader_of(settings, DIM, version_of(fusion_of(settings).version))
    index = made.searching(PATIENT, ef)
    try:
        if lack := await index.shortfall(settings.partitions):
            report(f"{lack}, so this is the recall of a part")
        ids, vectors = await index.sample(sample)
        if len(ids) < 2:
            raise OperatorError("Qdrant holds fewer than two videos, so none has a neighbour.", "Upload some first.")
        near, ms = await _near(index, ids, vectors, many)
        exact, exact_ms = await _near(index.searching(PATIENT, exact=True), ids, vectors, many)
        shares = [shared(*pair) for pair in zip(near, exact, strict=True)]
        mean = sum(shares) / len(shares)
        return Recall(
            await index.count(), len(ids), many, index.width(index.limit(many + 1)), mean, min(shares), ms, exact_ms
        )
    finally:
        await made.close()


async def _near(index: QdrantIndex, ids: Sequence[str], vectors: Vectors, many: int) -> tuple[list[list[str]], float]:
    """The nearest other videos of each, and how many milliseconds a query took."""
    began_s, found = time.monotonic(), list[Hits]()
    for start in range(0, len(ids), QUERIES_AT_ONCE):
        found += await index.near(vectors[start : start + QUERIES_AT_ONCE], many + 1)
    ms = 1000 * (time.monotonic() - began_s) / len(ids)
    return [
        [other for other in hits.video_ids if other != own][:many] for own, hits in zip(ids, found, strict=True)
    ], ms


def shared(found: Sequence[str], wanted: Sequence[str]) -> float:
    """The share of the wanted videos that were found.

    >>> shared(["v1", "v2"], ["v2", "v3"])
    0.5
    """
    return len({*found} & {*wanted}) / len(wanted)
