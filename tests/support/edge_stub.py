"""The stub of a Qdrant server over Qdrant's own engine, in this process."""

import shutil
from typing import Any, cast

import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient, models

from tests.support.edge import EdgeClient
from tests.support.qdrant_stub import QdrantStub


class EdgeStub(QdrantStub):
    """The stub, but its points are in the engine; names, strict mode and faults stay the stub's.

    threshold_kb  of vectors in a segment, above which a graph is built of it after each write; None: none ever is
    """

    def __init__(self, version: str = "1.19.0", threshold_kb: int | None = None) -> None:
        super().__init__(version)
        self._is_optimised = threshold_kb is not None
        self.points = EdgeClient(threshold_kb)
        self._store = cast(AsyncQdrantClient, self.points)

    async def snapshot(self, alias: str) -> Any:
        """A copy of the folder of the collection that an alias names."""
        kept = self.points.new_folder()
        name = (await self.aliases())[alias]
        self.points.shards[name].flush()
        shutil.copytree(self.points.folders[name], kept)
        return kept

    async def restore(self, alias: str, kept: Any) -> None:
        """Put a copy in the place of the collection that an alias names."""
        name, folder = (await self.aliases())[alias], self.points.new_folder()
        shutil.copytree(kept, folder)
        self.points.shards[name].close()
        self.points.shards[name], self.points.folders[name] = edge.EdgeShard.load(folder), folder

    async def _create(self, name: str, body: Any) -> Any:
        wanted = self.created[name] = models.CreateCollection.model_validate(body)
        return await self._store.create_collection(
            name, vectors_config=wanted.vectors, on_disk_payload=wanted.on_disk_payload, metadata=wanted.metadata
        )

    async def _index(self, name: str, body: Any) -> Any:
        await self.points.create_payload_index(name, body["field_name"], body["field_schema"])
        return await super()._index(name, body)

    async def _upsert(self, name: str, body: Any) -> Any:
        done = await super()._upsert(name, body)
        if self._is_optimised:
            await self.points.optimise(name)
        return done
