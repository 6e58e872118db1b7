"""The videos' vectors in a Qdrant server, behind the ranker's `VideoIndex`; REST through qdrant-client.

Everything in the collection can be rebuilt from features.v1. A collection belongs to one version of the retrieval
vector, which names the models too, so that two embeddings are never mixed. Every call can be repeated: 429, 5xx and
silence are retried until a deadline.
"""

import logging
import math
from asyncio import gather
from collections.abc import Mapping, Sequence
from copy import copy
from typing import cast

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from encoders.modalities.configured import modalities_of
from ranker.library.library import RETRIEVAL, Hit
from ranker.retrieval.index import Hits, IndexedVideo, IndexUnavailable, SearchFilter
from schemas.settings.model import Settings
from streams.qdrant.client import READING, WRITING, ContentRefused, Patience, client_of, with_retries, writing_of
from streams.qdrant.collection import DEFAULT, Collection
from streams.qdrant.mapping import (
    VIDEOS,
    Change,
    Dims,
    Floats,
    Withdrawal,
    alias_of,
    collection_name,
    newest,
    not_older,
    point_id,
    to_filter,
    to_found,
    to_hits,
    to_point,
    to_withdrawn_point,
)
from streams.qdrant.progress import is_complete, share
from streams.qdrant.refused import isolated
from streams.qdrant.search_width import ef_of
from streams.qdrant.searches import Found, Search, found_by, to_search
from streams.qdrant.storage import Storage
from streams.qdrant.upsert import upsert

log = logging.getLogger(__name__)
UPSERT_POINTS = 64  # 2.9 MB of JSON, as a video with all its vectors has 45 kB
WRITES_AT_ONCE = 2
QUERY_VECTORS = 4096  # 21 MB of JSON at 256 dimensions; Qdrant refuses bodies over 32 MB
TIE_MARGIN = 8  # a guess: so many equal scores at the cut are still ordered by id


class QdrantIndex:
    """`VideoIndex` on one Qdrant collection of unit vectors, float32 [dim], compared by cosine.

    modalities  dimensions of the vectors that are stored beside the retrieval vector, by name
    hnsw_ef     how many neighbours its search keeps in view; 0: by how many videos there are
    """

    name = "qdrant"

    def __init__(
        self,
        client: AsyncQdrantClient,
        collection: str,
        dim: int,
        encoder: str,
        *,
        modalities: Dims | None = None,
        hnsw_ef: int = 0,
        reading: Patience = READING,
        writing: Patience = WRITING,
        storage: Storage = DEFAULT,
    ) -> None:
        self._client, self._collection = client, collection
        self._dims = {RETRIEVAL: dim, **(modalities or {})}
        self._hnsw_ef, self._exact = hnsw_ef, False
        self._reading, self._writing, self._storage = reading, writing, storage
        self.collection = Collection(client, collection, self._dims, encoder, writing, storage)

    async def start(self) -> str:
        """Check the server; make or check the collection and its payload indexes; returns its generation."""
        return await self.collection.open()

    def on(self, collection: Collection) -> "QdrantIndex":
        """The same index on another collection, over the same connections."""
        made = copy(self)
        made.collection, made._collection = collection, collection.name
        return made

    def searching(self, patience: Patience, hnsw_ef: int | None = None, exact: bool = False) -> "QdrantIndex":
        """The same index, asked in another way; None: as wide as before."""
        made = copy(self)
        made._reading, made._exact = patience, exact
        made._hnsw_ef = self._hnsw_ef if hnsw_ef is None else hnsw_ef
        return made

    def limit(self, k: int) -> int:
        """How many hits it asks for to give the best `k`."""
        return min(k + TIE_MARGIN, self.collection.limits.results)

    def params(self, limit: int) -> models.SearchParams:
        """How it searches to find so many."""
        most = self.collection.limits.oversampling
        return models.SearchParams(
            hnsw_ef=self.width(limit), exact=self._exact, quantization=self._storage.quantization(most)
        )

    def width(self, limit: int) -> int:
        """How many neighbours its search keeps in view to find so many."""
        collection = self.collection
        return min(max(self._hnsw_ef or ef_of(collection.points), limit), collection.limits.ef)

    async def upsert(self, videos: Sequence[IndexedVideo]) -> None:
        """Write videos, searchable when this returns; an older `at_ms` never overwrites a newer."""
        await self.write(videos)

    async def write(self, changes: Sequence[Change]) -> list[str]:
        """The same of videos and withdrawals: of each video what is newest counts, in whatever order they come.

        Returns the ids of those that the server refuses however often it is asked, and that are left out.
        """
        ordered = newest(changes)
        size = min(UPSERT_POINTS, self.collection.limits.points)
        parts = [ordered[start : start + size] for start in range(0, len(ordered), size)]
        left_out: list[str] = []
        for start in range(0, len(parts), WRITES_AT_ONCE):  # while the server stores some, others are made
            for refused in await gather(*map(self._put, parts[start : start + WRITES_AT_ONCE])):
                left_out += refused
        return left_out

    async def remove(self, video_ids: Sequence[str]) -> None:
        """Remove videos; an id that is not there is no error."""
        points: list[models.ExtendedPointId] = [point_id(video_id) for video_id in dict.fromkeys(video_ids)]
        if points:
            selector = models.PointIdsList(points=points)
            delete = self._client.delete
            await with_retries("remove videos", lambda: delete(self._collection, selector, wait=True), self._writing)

    async def near(self, vectors: Floats, k: int, where: SearchFilter | None = None) -> list[Hits]:
        """The `k` nearest videos of each row of `vectors` [Q, dim], best first, ties by id; one request."""
        if k < 1 or not len(vectors):
            return [Hits([], np.empty(0, np.float32)) for _ in vectors]
        like = to_search(self._request(vectors, k, where, RETRIEVAL, ["video_id"]))
        searches = [{**like, "query": row} for row in np.ascontiguousarray(vectors, np.float32)]
        found: list[Hits] = []
        size = min(QUERY_VECTORS, self.collection.limits.queries)
        for start in range(0, len(searches), size):
            found += [to_hits(one, k) for one in await self.search(searches[start : start + size])]
        return found

    async def find(self, vector: Floats, k: int, where: SearchFilter | None = None, name: str = RETRIEVAL) -> list[Hit]:
        """The `k` videos whose vector of this name is nearest to [D], with everything but their vectors."""
        return (await self.find_by_each(vector, k, where, (name,)))[name]

    async def find_by_each(
        self, vector: Floats, k: int, where: SearchFilter | None, names: Sequence[str]
    ) -> dict[str, list[Hit]]:
        """The same by the vectors of each of these names, in one request."""
        asked = [self._request(vector[None], k, where, name, True) for name in names]
        answers = await self.query([one.model_copy(update={"query": vector.tolist()}) for one in asked])
        return {name: to_found(answer.points, k) for name, answer in zip(names, answers, strict=True)}

    async def sample(self, count: int) -> tuple[list[str], Floats]:
        """So many videos at random, or all where there are fewer: their ids and vectors [N, dim]."""
        request = models.QueryRequest(
            query=models.SampleQuery(sample=models.Sample.RANDOM),
            filter=models.Filter(must=[VIDEOS, models.HasVectorCondition(has_vector=RETRIEVAL)]),
            limit=min(count, self.collection.limits.results),
            with_payload=["video_id"],
            with_vector=[RETRIEVAL],
        )
        [answer] = await self.query([request])
        rows = [cast("Mapping[str, list[float]]", point.vector)[RETRIEVAL] for point in answer.points]
        return [str((point.payload or {})["video_id"]) for point in answer.points], np.array(rows, np.float32)

    async def vectors_of(self, video_id: str) -> dict[str, Floats] | None:
        """All vectors of a video by name, or None where it is not there."""
        points = await self.retrieve([point_id(video_id)])
        if not points or not points[0].vector:
            return None
        named = cast("Mapping[str, list[float]]", points[0].vector or {})
        return {name: np.array(vector, np.float32) for name, vector in named.items()}

    async def retrieve(self, point_ids: Sequence[models.ExtendedPointId], *names: str) -> list[models.Record]:
        """Points with their vectors of these names, or with all, in one request."""
        return await with_retries(
            "show videos",
            lambda: self._client.retrieve(
                self._collection, point_ids, with_payload=False, with_vectors=[*names] or True
            ),
            self._reading,
        )

    async def shortfall(self, partitions: int) -> str:
        """What it lacks, in words, by what it says of itself; IndexUnavailable where there is no video to find."""
        generation = await self.collection.look()
        if generation is None or not await self.count():
            raise IndexUnavailable(f"Qdrant has no videos in {self._collection}: `freshet worker indexer` fills it")
        found = await self.collection.progress(generation, range(partitions))
        return "" if is_complete(found, partitions) else f"Qdrant has {share(found, partitions)} so far"

    async def count(self) -> int:
        """How many videos the collection holds, exactly."""
        answer = await with_retries(
            "count videos", lambda: self._client.count(self._collection, VIDEOS, exact=True), self._reading
        )
        return answer.count

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _put(self, changes: Sequence[Change]) -> list[str]:
        """Store what the server takes; the ids of the others, with an error line for each."""
        try:
            await self._store(changes)
        except ContentRefused:
            await self.collection.check_writes()
            refused = await isolated(self._store, changes)
        else:
            return []
        for video_id, why in refused.items():
            log.error("video %s is left out of the index until it is uploaded again: %s", video_id, why)
        return [*refused]

    async def _store(self, changes: Sequence[Change]) -> None:
        points = [
            to_withdrawn_point(one) if isinstance(one, Withdrawal) else to_point(one, self._dims) for one in changes
        ]
        # The server compares and writes in one step: no other writer can write in between.
        allowed, seconds = not_older(points), self._seconds(self._writing)  # the server gives up with us

        async def store() -> None:
            done = await upsert(self._client, self._collection, points, allowed, seconds)
            if done.status != models.UpdateStatus.COMPLETED:  # it is in the server's queue still
                raise TimeoutError

        await with_retries("store videos", store, self._writing)

    def _request(
        self, vectors: Floats, k: int, where: SearchFilter | None, name: str, payload: list[str] | bool
    ) -> models.QueryRequest:
        """How each of these rows is asked for, without its numbers."""
        dim = self._dims.get(name)
        if vectors.shape[1:] != (dim,) or not np.isfinite(vectors).all():
            raise ValueError(f"{name} queries of shape {vectors.shape}: the index needs finite rows of {dim}")
        how, limit = self.params(self.limit(k)), self.limit(k)
        return models.QueryRequest(using=name, filter=to_filter(where), params=how, limit=limit, with_payload=payload)

    def _seconds(self, patience: Patience) -> int:
        return min(math.ceil(patience.attempt_s), self.collection.limits.seconds)

    async def search(self, searches: Sequence[Search]) -> list[Found]:
        """The videos that some searches find, in one request."""
        seconds, at = self._seconds(self._reading), (self._client, self._collection)
        return await with_retries("answer a query", lambda: found_by(*at, searches, seconds), self._reading)

    async def query(self, requests: list[models.QueryRequest]) -> list[models.QueryResponse]:
        """Answers to some queries, in one request."""
        seconds, ask = self._seconds(self._reading), self._client.query_batch_points  # the server gives up with us
        return await with_retries(
            "answer a query", lambda: ask(self._collection, requests, timeout=seconds), self._reading
        )


def index_of(settings: Settings, dim: int, encoder: str) -> QdrantIndex:
    """The collection of this encoder, to be started before its first use."""
    return _index(settings, dim, encoder, client_of(settings), writing_of(settings))


def reader_of(settings: Settings, dim: int, encoder: str) -> QdrantIndex:
    """The same for who only reads: with a key of its own where one is set, and without patience."""
    return _index(settings, dim, encoder, client_of(settings, only_reads=True), READING)


def _index(settings: Settings, dim: int, encoder: str, client: AsyncQdrantClient, writing: Patience) -> QdrantIndex:
    return QdrantIndex(
        client,
        collection_name(alias_of(settings), encoder, dim),
        dim,
        encoder,
        modalities=modalities_of(settings).stored,
        hnsw_ef=settings.qdrant_hnsw_ef,
        writing=writing,
        storage=Storage.of(settings),
    )


async def open_index(settings: Settings, dim: int, encoder: str) -> QdrantIndex:
    """The collection of this encoder, ready to use; IndexUnavailable gives the reason where it is not."""
    index = index_of(settings, dim, encoder)
    try:
        await index.start()
    except BaseException:
        await index.close()
        raise
    return index
