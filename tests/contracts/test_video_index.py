"""The laws of every video index, over the exact one and over Qdrant's adapter, local and through a server."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from qdrant_client import AsyncQdrantClient

from ranker.catalogue.catalogue import Catalogue
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import VideoIndex
from ranker.testing import VideoIndexLaws
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex
from tests.support.idle_time import skip_idle_time
from tests.support.indexed_videos import DIM, ENCODER, OPENAPI, assert_published
from tests.support.qdrant_stub import LOCAL_MODE, QdrantStub, running

pytestmark = LOCAL_MODE


@asynccontextmanager
async def own_collection(url: str) -> AsyncIterator[VideoIndex]:
    """A collection for one law, deleted after it."""
    client = connect(url)
    index = QdrantIndex(client, f"law-{uuid4().hex}", DIM, ENCODER)
    try:
        await index.start()
        yield index
    finally:
        await client.delete_collection(f"{index.collection.name}-1")
        await index.close()


class TestExactIndex(VideoIndexLaws):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[VideoIndex]:
        yield ExactIndex(Catalogue(DIM))


class TestLocalQdrant(VideoIndexLaws):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[VideoIndex]:
        index = QdrantIndex(AsyncQdrantClient(":memory:"), "videos", DIM, ENCODER)
        await index.start()
        yield index
        await index.close()


class TestQdrantServer(VideoIndexLaws):
    """Over a real server where FRESHET_TEST_QDRANT names one, http://host:6333; over the stub otherwise."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[VideoIndex]:
        if url := os.environ.get("FRESHET_TEST_QDRANT"):
            async with own_collection(url) as index:
                yield index
            return
        skip_idle_time()
        async with running(QdrantStub()) as stub:
            index = QdrantIndex(connect(stub.url), "videos", DIM, ENCODER)
            await index.start()
            yield index
            await index.close()
        if OPENAPI.exists():
            assert_published(stub.asked)
