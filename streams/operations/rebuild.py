"""A Qdrant collection filled from features.v1 beside the one in use, which the alias then leaves for the new one.

The indexer goes on meanwhile, and reads on in the new one from where this has come to.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.errors import OperatorError
from streams.indexing.step import IndexStep
from streams.kafka.probe import Report, wait_for_authenticated_broker
from streams.kafka.reader import all_bounds, read_from, required_partitions
from streams.kafka.topic_watch import topic_id
from streams.qdrant.collection import Collection
from streams.qdrant.index import QdrantIndex, index_of
from streams.qdrant.mapping import alias_of
from streams.qdrant.progress import Progress

BATCH_SIZE = 1024  # records between two notes of how far it has come
OPTIMISING_LIMIT_S, OPTIMISING_LOOK_S = 3600.0, 1.0  # a guess, for tens of millions of videos
REMEDY = "`freshet backfill LOG` embeds them again; then run `freshet rebuild` again."

OnProgress = Callable[[int, int], None]  # so many of so many


def rebuild(settings: Settings, report: Report, on_progress: OnProgress) -> int:
    """Fill a collection and let the aliases name it; returns how many videos it holds.

    May run beside the workers, and goes on where it was interrupted. Where no video has vectors of the present models,
    the aliases stay: OperatorError.
    """
    if not settings.qdrant_url:
        raise OperatorError(
            "No Qdrant server is set; the embedded index needs no rebuilding.", "Set FRESHET_QDRANT_URL."
        )
    wait_for_authenticated_broker(settings, report)
    return asyncio.run(_rebuild(settings, report, on_progress))


async def _rebuild(settings: Settings, report: Report, on_progress: OnProgress) -> int:
    topic = FEATURES.full(settings.prefix)
    partitions, fusion = await required_partitions(settings, topic), fusion_of(settings)
    step = IndexStep(fusion, modalities_of(settings))
    in_use = index_of(settings, DIM, version_of(fusion.version))
    try:
        beside = in_use.on(await in_use.collection.beside())
        left_out = await fill(settings, beside, step, partitions, on_progress)
        count = await beside.count()
        if not count:
            raise OperatorError(f"{topic} holds no video with vectors of the present models; the alias stays.", REMEDY)
        if step.missing:
            report(f"{step.missing} uploads have no vectors of the present models. {REMEDY}")
        if left_out:
            report(f"Qdrant refused {left_out} videos, which are left out; the lines above name them.")
        await until_optimised(beside.collection, report)
        await beside.collection.take_alias(in_use.collection.name, alias_of(settings))
        return count
    finally:
        await in_use.close()


async def until_optimised(collection: Collection, report: Report, limit_s: float = OPTIMISING_LIMIT_S) -> None:
    """Return when the server has built its graph, or takes too long for it: slates would wait for every search."""
    end_s = time.monotonic() + limit_s
    is_told = False
    while await collection.is_optimising():
        if not is_told:
            report("All is written; the alias waits until Qdrant has built its graph.")
            is_told = True
        if time.monotonic() > end_s:
            report(f"Qdrant still builds its graph after {limit_s:g} s; the alias does not wait any longer.")
            return
        await asyncio.sleep(OPTIMISING_LOOK_S)


async def fill(
    settings: Settings, index: QdrantIndex, step: IndexStep, partitions: Iterable[int], on_progress: OnProgress
) -> int:
    """Bring a collection up to what the topic holds now, from where it is; returns how many videos it refused."""
    topic = FEATURES.full(settings.prefix)
    generation, label = await index.collection.ready(), await asyncio.to_thread(topic_id, settings, topic)
    here = await all_bounds(settings, topic, partitions)
    known = {p: one for p, one in (await index.collection.progress(generation, here)).items() if one.topic_id == label}
    starts = {p: min(max(first, known[p].reached if p in known else 0), end) for p, (first, end) in here.items()}
    ends = {p: end for p, (_, end) in here.items()}
    reached, total = dict(starts), sum(ends.values()) - sum(starts.values())
    left_out = 0

    async def note() -> None:
        noted = [Progress(p, len(here), at, ends[p], label) for p, at in reached.items()]
        await index.collection.note(generation, noted)

    async for records in read_from(settings, topic, starts, ends):
        for start in range(0, len(records), BATCH_SIZE):
            batch = records[start : start + BATCH_SIZE]
            left_out += len(await index.write(step.apply(batch)))
            reached.update({record.partition: record.offset + 1 for record in batch})
            await note()
            on_progress(sum(reached.values()) - sum(starts.values()), total)
    reached.update(ends)
    await note()
    return left_out
