"""The collections of one version of the embeddings: made, numbered, checked, and which of them is in use.

`freshet.videos-…-layout4` is an alias of `freshet.videos-…-layout4-1`; a rebuild fills `-2` beside it and then lets the
alias name that, in one step. Each filling has a generation, an id that no other one has.
"""

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from qdrant_client import AsyncQdrantClient, models

from ranker.retrieval.index import IndexRefused
from streams.qdrant.client import Patience, with_retries
from streams.qdrant.mapping import CONTROL, FIELDS, Dims, shape_of, vectors_config
from streams.qdrant.progress import (
    MARK,
    Progress,
    progress_id,
    to_mark,
    to_marked_progress,
    to_progress,
    to_progress_point,
)
from streams.qdrant.storage import Storage

log = logging.getLogger(__name__)
T = TypeVar("T")
OLDEST = (1, 16)  # `update_filter` came with 1.16; an older server ignores it in silence
TESTED = (1, 19)
MANY = 2**31
DEFAULT = Storage()


@dataclass(frozen=True)
class Limits:
    """What strict mode allows in one request; by default nothing is limited."""

    points: int = MANY  # of an upsert
    queries: int = MANY  # of a batch
    results: int = MANY  # of a query
    ef: int = MANY
    ids: int = MANY  # of a condition
    oversampling: float = MANY
    seconds: int = MANY  # that a request may ask for


def limits_of(config: models.StrictModeConfigOutput | None) -> Limits:
    """The limits of a collection: an upsert has a condition of two parts, within another one, for each point."""
    if config is None or not config.enabled:
        return Limits()
    conditions = (config.filter_max_conditions or MANY) // 3
    points = min(config.upsert_max_batchsize or MANY, config.condition_max_size or MANY, conditions)
    return Limits(
        points=max(1, points),
        queries=config.search_max_batchsize or MANY,
        results=config.max_query_limit or MANY,
        ef=config.search_max_hnsw_ef or MANY,
        ids=config.condition_max_size or MANY,
        oversampling=config.search_max_oversampling or MANY,
        seconds=config.max_timeout or MANY,
    )


class Collection:
    """One collection by its alias, or by its own name."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        name: str,
        dims: Dims,
        encoder: str,
        patience: Patience,
        storage: Storage = DEFAULT,
    ) -> None:
        self.name, self.limits, self.points = name, Limits(), 0  # so many when it was looked at last
        self._client, self._dims, self._encoder, self._patience = client, dims, encoder, patience
        self._storage, self._told = storage, ""

    async def open(self) -> str:
        """Check the server's version; make or check the collection and its payload indexes; returns its generation."""
        await self.check_server()
        if not await self._exists(self.name):
            made = await self._create_next()
            await self._name(made, self.name)
            log.info("%s is new and empty", made)
        return await self._ready(self.name)

    async def look(self) -> str | None:
        """Its generation, or None where there is no such collection."""
        if not await self._exists(self.name):
            return None
        return self._checked(await self._describe(self.name))

    async def beside(self) -> "Collection":
        """The one that is being filled beside the one in use: an unfinished one, or a new one."""
        await self.check_server()
        in_use, numbers = await self._target(), await self._numbers()
        used = int(in_use.rpartition("-")[2]) if in_use else 0
        later = [number for number in numbers if number > used]
        name = f"{self.name}-{max(later)}" if later else await self._create_next()
        return Collection(self._client, name, self._dims, self._encoder, self._patience, self._storage)

    async def is_optimising(self) -> bool:
        """Whether the server still builds the graph of what was written: until then searches are slower, and exact."""
        return (await self._describe(self.name)).status == models.CollectionStatus.YELLOW

    async def ready(self) -> str:
        """Check it, and make what is missing of its payload indexes; returns its generation."""
        return await self._ready(self.name)

    async def take_alias(self, *aliases: str) -> None:
        """Let these aliases name the collection from now on, in one step, whatever they named before."""
        await self._name(await self._target() or self.name, *aliases)

    async def progress(self, generation: str, partitions: Iterable[int]) -> dict[int, Progress]:
        """What it has of some partitions."""
        ids: list[models.ExtendedPointId] = [progress_id(generation, partition) for partition in partitions]
        found = await self._call(
            "show its progress", lambda: self._client.retrieve(self.name, ids, with_payload=True, with_vectors=False)
        )
        return to_progress(found)

    async def note(self, generation: str, progress: Iterable[Progress], mark: str = "") -> None:
        """Keep what it has of some partitions, in the same way as the videos before that."""
        points = [to_progress_point(one, generation, mark) for one in progress]
        for start in range(0, len(points), min(len(points), self.limits.points) or 1):
            part = points[start : start + self.limits.points]
            await self._call("keep its progress", partial(self._client.upsert, self.name, part, wait=True))

    async def mark(self, generation: str, partitions: Sequence[int], mark: str, known: str | None = None) -> None:
        """Mark what it says of partitions; with `known` only where that is the mark.

        A copy of the collection that was taken before does not have the mark.
        """
        parts = [partitions[start : start + self.limits.ids] for start in range(0, len(partitions), self.limits.ids)]
        await self._change("mark its progress", [to_mark(generation, part, mark, known) for part in parts])

    async def note_where(self, generation: str, progress: Iterable[Progress], mark: str) -> None:
        """Keep what it has of some partitions, of each only where what is said of it has this mark."""
        await self._change("keep its progress", [to_marked_progress(one, generation, mark) for one in progress])

    async def check_writes(self) -> None:
        """IndexUnavailable where it takes nothing at all: then no point is at fault. Its limits are read again."""
        self._checked(await self._describe(self.name))
        point = models.PointStruct(id=CONTROL, vector={}, payload={})
        await self._call("store anything", lambda: self._client.upsert(self.name, [point], wait=True))

    async def check_server(self) -> None:
        """IndexRefused where the server's version would let an older upload win."""
        check_version((await self._call("give its version", self._client.info)).version)

    async def _change(self, what: str, operations: Sequence[models.UpdateOperation]) -> None:
        """In this order on every copy: each has to find the mark that the one before has left."""
        if operations:
            order = models.WriteOrdering.MEDIUM
            change = partial(self._client.batch_update_points, self.name, operations, wait=True, ordering=order)
            await self._call(what, change)

    async def _ready(self, name: str) -> str:
        found = await self._describe(name)
        generation = self._checked(found)
        self._tell_differences(found.config.params)
        # Before the first point: Qdrant adds the links for filters only from indexes that it knows then.
        for field, kind in {**FIELDS, MARK: models.PayloadSchemaType.KEYWORD}.items():
            if field not in (found.payload_schema or {}):
                await self._make_index(name, field, kind)
        return generation

    async def _create_next(self) -> str:
        name = f"{self.name}-{max(await self._numbers(), default=0) + 1}"
        wanted = self._storage.request(self._dims)
        metadata = {"encoder": self._encoder, "generation": uuid.uuid4().hex}
        try:
            await self._call(
                "create the collection",
                lambda: self._client.create_collection(
                    name,
                    vectors_config=wanted.vectors,
                    shard_number=wanted.shard_number,
                    replication_factor=wanted.replication_factor,
                    write_consistency_factor=wanted.write_consistency_factor,
                    on_disk_payload=wanted.on_disk_payload,
                    metadata=metadata,
                ),
            )
        except IndexRefused:
            # Another process, or our own attempt whose answer was lost, may have created it in the meantime.
            if not await self._exists(name):
                raise
        await self._ready(name)
        return name

    async def _numbers(self) -> list[int]:
        there = await self._call("list its collections", self._client.get_collections)
        found = (re.fullmatch(re.escape(self.name) + r"-(\d+)", one.name) for one in there.collections)
        return [int(one[1]) for one in found if one]

    async def _target(self) -> str | None:
        known = await self._call("list the aliases", self._client.get_aliases)
        return next((one.collection_name for one in known.aliases if one.alias_name == self.name), None)

    async def _name(self, collection: str, *aliases: str) -> None:
        known = await self._call("list the aliases", self._client.get_aliases)
        there = {one.alias_name: one.collection_name for one in known.aliases}
        if all(there.get(alias) == collection for alias in aliases):
            return
        changes: list[models.AliasOperations] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
            for alias in aliases
            if alias in there
        ]
        changes += [
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
            for alias in aliases
        ]
        await self._call("set the alias", lambda: self._client.update_collection_aliases(changes))

    async def _exists(self, name: str) -> bool:
        return await self._call("look for the collection", lambda: self._client.collection_exists(name))

    async def _describe(self, name: str) -> models.CollectionInfo:
        return await self._call("describe the collection", lambda: self._client.get_collection(name))

    def _checked(self, found: models.CollectionInfo) -> str:
        holds, needs = shape_of(found.config.params.vectors), shape_of(vectors_config(self._dims))
        self.limits, self.points = limits_of(found.config.strict_mode_config), found.points_count or 0
        metadata: Mapping[str, object] = found.config.metadata or {}
        encoder = metadata.get("encoder", self._encoder)
        if holds != needs or encoder != self._encoder:
            raise IndexRefused(
                f"Qdrant collection {self.name} holds {holds} vectors of {encoder},"
                f" but {self._encoder} needs {needs}; set qdrant_collection to"
                " another name, or delete it"
            )
        return str(metadata.get("generation", ""))

    def _tell_differences(self, params: models.CollectionParams) -> None:
        """One line where it is stored otherwise than is set: nothing is changed by itself."""
        told = ", ".join(self._storage.differences(params))
        if told and told != self._told:
            log.warning(
                "Qdrant collection %s has %s; it stays so, and `freshet rebuild` makes another", self.name, told
            )
        self._told = told

    async def _make_index(self, name: str, field: str, kind: models.PayloadSchemaType) -> None:
        await self._call(
            f"index the field {field}",
            lambda: self._client.create_payload_index(name, field, kind, wait=True),
        )

    async def _call(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        return await with_retries(what, call, self._patience)


def check_version(version: str) -> None:
    """Refuse a server that would let an older upload win; warn of one that we were not tested with."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST or numbers[:1] != TESTED[:1]:
        oldest = ".".join(map(str, OLDEST))
        raise IndexRefused(f"Qdrant {version} is not supported: upsert's update_filter needs {oldest} or a later 1.x")
    if abs(numbers[1] - TESTED[1]) > 1:
        log.warning("Qdrant %s: the requests were checked against %d.%d, more than a minor away", version, *TESTED)
