"""The Qdrant server, where one is set: does it answer, accept the key and the version, and have the whole catalogue?"""

import asyncio
import logging
from collections.abc import Iterator

from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from ranker.retrieval.index import IndexRefused, IndexUnavailable
from schemas.settings.model import Settings
from streams.operations.doctor.finding import Finding, fail, ok, warn
from streams.qdrant.index import QdrantIndex, reader_of
from streams.qdrant.progress import is_complete, share

REFUSED = "Set FRESHET_QDRANT_API_KEY to a key that this server knows, or upgrade the server to 1.19."
AWAY = "Start Qdrant at FRESHET_QDRANT_URL, or unset it to use the embedded index."


def check_qdrant(settings: Settings) -> Iterator[Finding]:
    """The server and the collection of the present models."""
    if not settings.qdrant_url:
        yield ok("qdrant", "none is set: the embedded index is used")
        return
    logging.getLogger("httpx").setLevel(logging.ERROR)
    try:
        yield asyncio.run(_look(settings))
    except IndexRefused as error:
        yield fail("qdrant", f"{settings.qdrant_url}: {error}", REFUSED)
    except IndexUnavailable as error:
        yield fail("qdrant", f"{settings.qdrant_url}: {error}", AWAY)


async def _look(settings: Settings) -> Finding:
    index = reader_of(settings, DIM, version_of(fusion_of(settings).version))
    try:
        return await _collection(index, settings.partitions)
    finally:
        await index.close()


async def _collection(index: QdrantIndex, partitions: int) -> Finding:
    collection = index.collection
    await collection.check_server()
    generation = await collection.look()
    remedy = "Run `freshet worker indexer`, which `freshet up` does where a server is set."
    if generation is None:
        return warn("qdrant", f"the server answers and has no collection {collection.name} yet", remedy)
    progress = await collection.progress(generation, range(partitions))
    if not is_complete(progress, partitions):
        return warn("qdrant", f"{collection.name} is not complete: {share(progress, partitions)}", remedy)
    return ok("qdrant", f"the server answers, and {collection.name} is complete")
