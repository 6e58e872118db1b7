"""What the adapter asks of a Qdrant server, in the terms of qdrant-edge, which is the server's engine as a library.

Only what `streams/qdrant` sends is translated; all else is a ValueError, which the stub answers with 400. What the
engine has not: collections, aliases, metadata, strict mode (those stay local mode's and the stub's), shards and
replicas, a query by a point's id (its vector is looked up here, and the point left out, as the server does), and an
optimiser that works by itself.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.models import QueryResponse

RRF_K = 2  # the server's, where a request names none


def config(wanted: models.CreateCollection, threshold_kb: int | None, keeps: bool) -> Any:
    """The configuration of a shard of one thread; the server's own defaults where a request says nothing."""
    named = wanted.vectors if isinstance(wanted.vectors, Mapping) else {"": wanted.vectors}
    return edge.EdgeConfig(
        vectors={name: _vector(one, threshold_kb) for name, one in named.items() if one},
        on_disk_payload=wanted.on_disk_payload,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=threshold_kb),
        max_search_threads=1,
        wal_enabled=keeps,
    )


def _vector(one: models.VectorParams, threshold_kb: int | None) -> Any:
    scalar = one.quantization_config.scalar if isinstance(one.quantization_config, models.ScalarQuantization) else None
    return edge.EdgeVectorParams(
        size=one.size,
        distance=getattr(edge.Distance, one.distance.value),
        on_disk=one.on_disk,
        # The server's defaults; whoever wants a graph early wants it searched, too.
        hnsw_config=edge.HnswIndexConfig(
            m=16,
            ef_construct=100,
            full_scan_threshold=10_000 if threshold_kb is None else threshold_kb,
            max_indexing_threads=1,
            on_disk=one.hnsw_config.on_disk if one.hnsw_config else None,
        ),
        quantization_config=scalar
        and edge.ScalarQuantizationConfig(edge.ScalarType.Int8, scalar.quantile, scalar.always_ram),
    )


def point(one: models.PointStruct) -> Any:
    """A point to be written."""
    if not isinstance(one.vector, Mapping):
        raise ValueError("only named vectors")
    return edge.Point(one.id, dict(one.vector), one.payload)


def condition(where: models.Filter | None) -> Any:
    """A filter."""
    if where is None:
        return None
    if where.min_should:
        raise ValueError("min_should is not sent by the adapter")
    return edge.Filter(must=_all(where.must), should=_all(where.should), must_not=_all(where.must_not))


def _all(parts: models.Condition | Sequence[models.Condition] | None) -> list[Any] | None:
    if parts is None:
        return None
    return [*map(_one, parts if isinstance(parts, Sequence) else [parts])]


def _one(part: models.Condition) -> Any:
    match part:
        case models.Filter():
            return condition(part)
        case models.HasIdCondition():
            return edge.HasIdCondition({*part.has_id})
        case models.HasVectorCondition():
            return edge.HasVectorCondition(part.has_vector)
        case models.IsEmptyCondition():
            return edge.IsEmptyCondition(part.is_empty.key)
        case models.FieldCondition(match=models.MatchAny(any=wanted)):
            return edge.FieldCondition(part.key, match=edge.MatchAny(wanted))
        case models.FieldCondition(range=models.Range() as bounds):
            return edge.FieldCondition(part.key, range=edge.RangeFloat(bounds.gte, bounds.gt, bounds.lte, bounds.lt))
    raise ValueError(f"{part!r} is not sent by the adapter")


class EdgeClient:
    """What the stub and the adapter call of qdrant-client's local mode, with all points in the engine.

    threshold_kb  of vectors in a segment, above which its graph is built by `optimise`; None: the engine's own
    keeps         on disk and with a log, as a server does; in memory otherwise, where there is such a folder
    """

    def __init__(self, threshold_kb: int | None = None, keeps: bool = False) -> None:
        self._names = AsyncQdrantClient(":memory:")
        memory = Path("/dev/shm")  # noqa: S108  # a folder with a random name is made in it
        parent = memory if memory.is_dir() and not keeps else None
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-edge-", dir=parent))
        self.shards: dict[str, Any] = {}  # by the collection's name
        self.folders: dict[str, str] = {}
        self._threshold_kb, self._keeps, self._made = threshold_kb, keeps, count()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._names, name)

    async def shard(self, name: str) -> Any:
        """The points of a collection, by its name or an alias."""
        names = {one.alias_name: one.collection_name for one in (await self.get_aliases()).aliases}
        if (found := self.shards.get(names.get(name, name))) is None:
            raise ValueError(f"Collection {name} not found")
        return found

    def new_folder(self) -> str:
        """A folder that is not there yet."""
        return str(self.folder / str(next(self._made)))

    async def close(self) -> None:
        """Give the disk back."""
        for shard in self.shards.values():
            shard.close()
        self.shards.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        await self._names.close()

    async def create_collection(self, collection_name: str, *more: Any, **wanted: Any) -> bool:
        """Names, metadata and shape stay local mode's."""
        made = await self._names.create_collection(collection_name, *more, **wanted)
        stored = models.CreateCollection(
            vectors=wanted["vectors_config"], on_disk_payload=wanted.get("on_disk_payload")
        )
        self.folders[collection_name] = folder = self.new_folder()
        self.shards[collection_name] = edge.EdgeShard.create(folder, config(stored, self._threshold_kb, self._keeps))
        return made

    async def delete_collection(self, collection_name: str, **_: Any) -> bool:
        """The same of one that is to be lost."""
        if shard := self.shards.pop(collection_name, None):
            shard.close()
        return await self._names.delete_collection(collection_name)

    async def get_collection(self, collection_name: str, **_: Any) -> models.CollectionInfo:
        """What it is, with the number of its points."""
        found = await self._names.get_collection(collection_name)
        held = (await self.shard(collection_name)).info()
        return found.model_copy(
            update={"points_count": held.points_count, "indexed_vectors_count": held.indexed_vectors_count}
        )

    async def create_payload_index(self, collection_name: str, field_name: str, field_schema: Any, **_: Any) -> Any:
        """Index a field of the payloads."""
        kind = getattr(edge.PayloadSchemaType, models.PayloadSchemaType(field_schema).value.title())
        return await self._update(collection_name, edge.UpdateOperation.create_field_index(field_name, kind))

    async def optimise(self, collection_name: str) -> None:
        """Build the graphs, as a server does by itself; nothing else in this process runs meanwhile."""
        (await self.shard(collection_name)).optimize()

    async def upsert(self, collection_name: str, points: Any, update_filter: Any = None, **_: Any) -> Any:
        """Write points, over stored ones only where the filter allows it."""
        wanted = edge.UpdateOperation.upsert_points([*map(point, points)], condition=condition(update_filter))
        return await self._update(collection_name, wanted)

    async def delete(self, collection_name: str, points_selector: Any, **_: Any) -> Any:
        """Remove points by their ids."""
        return await self._update(collection_name, edge.UpdateOperation.delete_points(points_selector.points))

    async def batch_update_points(self, collection_name: str, update_operations: Any, **_: Any) -> Any:
        """Set fields of the points that filters allow, in this order."""
        changes = [one.set_payload for one in update_operations if isinstance(one, models.SetPayloadOperation)]
        if len(changes) < len(update_operations) or not all(one.filter for one in changes):
            raise ValueError("the adapter changes points by filter")
        changed = [edge.UpdateOperation.set_payload_by_filter(condition(one.filter), one.payload) for one in changes]
        return [await self._update(collection_name, one) for one in changed]

    async def count(self, collection_name: str, count_filter: Any = None, **_: Any) -> models.CountResult:
        """How many points a filter allows."""
        wanted = edge.CountRequest(exact=True, filter=condition(count_filter))
        return models.CountResult(count=(await self.shard(collection_name)).count(wanted))

    async def retrieve(
        self, collection_name: str, ids: Any, with_payload: Any = True, with_vectors: Any = False, **_: Any
    ) -> list[models.Record]:
        """Points by id; those that are not there are left out."""
        shard = await self.shard(collection_name)
        found = shard.retrieve([*ids], with_payload=with_payload, with_vector=with_vectors)
        return [models.Record(id=str(one.id), payload=one.payload, vector=one.vector) for one in found]

    async def scroll(
        self, collection_name: str, scroll_filter: Any = None, limit: int = 10, offset: Any = None, **_: Any
    ) -> tuple[list[models.Record], Any]:
        """A page of points by id, and where the next one begins."""
        wanted = edge.ScrollRequest(offset, limit, condition(scroll_filter), with_payload=True)
        found, following = (await self.shard(collection_name)).scroll(wanted)
        return [models.Record(id=str(one.id), payload=one.payload) for one in found], following and str(following)

    async def query_batch_points(self, collection_name: str, requests: Any, **_: Any) -> list[QueryResponse]:
        """Answers to some queries, planned as one batch."""
        shard = await self.shard(collection_name)
        found = shard.query_batch(edge.QueryBatchRequest([request(shard, one) for one in requests]))
        return [QueryResponse(points=[*map(scored, of_one)]) for of_one in found]

    async def _update(self, collection_name: str, operation: Any) -> models.UpdateResult:
        shard = await self.shard(collection_name)
        try:
            shard.update(operation)
        except Exception as error:  # the engine has no type of its own for what it refuses
            raise ValueError(f"Wrong input: {error}") from None
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def request(shard: Any, one: models.QueryRequest) -> Any:
    """A query, with what it looks at before."""
    query, where = _query(shard, one.query, one.using, one.filter)
    return edge.QueryRequest(
        limit=one.limit or 10,
        query=query,
        prefetches=[_prefetch(shard, inner) for inner in one.prefetch] if isinstance(one.prefetch, list) else [],
        with_payload=one.with_payload,
        with_vector=one.with_vector,
        filter=where,
        params=_params(one.params),
    )


def _prefetch(shard: Any, one: models.Prefetch) -> Any:
    query, where = _query(shard, one.query, one.using, one.filter)
    return edge.Prefetch(limit=one.limit or 10, query=query, filter=where, params=_params(one.params))


def _query(shard: Any, query: Any, using: str | None, where: models.Filter | None) -> tuple[Any, Any]:
    """What is asked, and what may be found."""
    match query:
        case models.FusionQuery(fusion=models.Fusion.RRF):
            return edge.Fusion.Rrf(RRF_K), condition(where)
        case models.SampleQuery(sample=models.Sample.RANDOM):
            return edge.Sample.Random, condition(where)
        case models.NearestQuery(mmr=None):
            return _query(shard, query.nearest, using, where)
        case str():
            left_out = models.HasIdCondition(has_id=[query])
            without = models.Filter(must=[where] if where else None, must_not=[left_out])
            return edge.Query.Nearest(vector_of(shard, query, using), using=using), condition(without)
        case list():
            return edge.Query.Nearest(query, using=using), condition(where)
    raise ValueError(f"{query!r} is not sent by the adapter")


def vector_of(shard: Any, point_id: str, using: str | None) -> Any:
    """The vector of a point; ValueError as a server says it."""
    [found] = shard.retrieve([point_id], with_payload=False, with_vector=[using]) or [None]
    if found is None or using not in found.vector:
        raise ValueError(f"Not found: point {point_id} with a vector {using} not found")
    return found.vector[using]


def _params(params: models.SearchParams | None) -> Any:
    if params is None:
        return None
    how = params.quantization
    quantised = how and edge.QuantizationSearchParams(rescore=how.rescore, oversampling=how.oversampling)
    return edge.SearchParams(hnsw_ef=params.hnsw_ef, exact=bool(params.exact), quantization=quantised)


def scored(one: Any) -> models.ScoredPoint:
    """A hit as the client has it."""
    return models.ScoredPoint(
        id=str(one.id), version=one.version, score=one.score, payload=one.payload, vector=one.vector
    )
