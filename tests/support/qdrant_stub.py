"""A Qdrant server for tests: REST on loopback over qdrant-client's local mode, with every request recorded.

It can be told to misbehave: `stub.next(Answer(503), SILENCE)` are what the next two requests get.
"""

import asyncio
import json
import os
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, models

from streams.qdrant.client import Patience
from tests.support.certificates import Signed
from tests.support.qdrant_strict import check_filtered_update, check_queries, check_upsert
from tests.support.qdrant_wire import QueryBatch, read_request, response

QUICK = Patience(attempt_s=1, deadline_s=10)
HASTY = Patience(attempt_s=0.15, deadline_s=0.45)
LOCAL_MODE = [  # marks of tests that meet it: what it does otherwise than a server it says in warnings
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


@dataclass(frozen=True)
class Answer:
    """What a request gets instead of its answer; `after` does the work first and then spoils the answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bool = False


SILENCE = Answer(0)


class QdrantStub:
    """The server's memory and what it was asked."""

    def __init__(self, version: str = "1.19.0") -> None:
        self.version = version
        self.asked: list[QueryBatch] = []
        self.plan: deque[Answer] = deque()
        self.always: Answer | None = None
        self.indexes: dict[str, Any] = {}
        self.created: dict[str, models.CreateCollection] = {}  # by name: local mode does not keep all of it
        self.url = ""
        self.strict: models.StrictModeConfigOutput | None = None
        self.yellow = 0  # so many more times it says that it still optimises a collection, as after a load
        self.is_late = False  # writes are queued, and applied after the answer
        self.refused: set[str] = set()  # videos that it stores in no way
        self.is_full = False  # it stores nothing
        self.misses = 0  # so many of the nearest points but one, in each search that is not exact
        self.most_bytes = 2**25  # of a request
        self._store = AsyncQdrantClient(":memory:")

    def parse(self, body: bytes) -> Any:
        """The body of a request."""
        return json.loads(body)

    async def end(self) -> None:
        """Let go of what it holds."""
        await self._store.close()

    def next(self, *answers: Answer) -> None:
        """Say what the next requests get."""
        self.plan.extend(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        try:
            while asked := await read_request(reader, self.parse):
                self.asked.append(asked)
                planned = self.plan.popleft() if self.plan else self.always
                if planned == SILENCE:
                    await reader.read()  # until the client gives up
                    return
                status, result = await self._answer(asked) if planned is None or planned.after else (0, None)
                status, headers = (planned.status, planned.headers) if planned else (status, {})
                writer.write(response(status, headers, result))
                await writer.drain()
        except ConnectionError:
            return  # the client hung up, as it may
        finally:
            writer.close()

    async def _answer(self, asked: QueryBatch) -> tuple[int, Any]:
        if asked.path == "/":
            return 200, {"title": "qdrant - vector search engine", "version": self.version}
        if int(asked.headers.get("content-length", "0")) > self.most_bytes:
            return 413, None
        name, _, rest = asked.path.removeprefix("/collections/").partition("/")
        try:
            result = await self._routes()[asked.method, rest](name, asked.body)
        except KeyError:
            return 404, {"status": {"error": f"no route {asked.method} {asked.path}"}, "time": 0.0}
        except ValueError as error:
            status = 404 if "not found" in str(error) else 409 if "already exists" in str(error) else 400
            return status, {"status": {"error": str(error)}, "time": 0.0}
        return 200, {"result": result, "status": "ok", "time": 0.0}

    def _routes(self) -> dict[tuple[str, str], Callable[[str, Any], Awaitable[Any]]]:
        return {
            ("GET", "exists"): self._exists,
            ("GET", ""): self._describe,
            ("PUT", ""): self._create,
            ("DELETE", ""): self._drop,
            ("PUT", "index"): self._index,
            ("PUT", "points"): self._upsert,
            ("POST", "points/batch"): self._update,
            ("POST", "points/query/batch"): self._query,
            ("POST", "points"): self._retrieve,
            ("POST", "points/delete"): self._delete,
            ("POST", "points/count"): self._count,
            ("POST", "points/scroll"): self._scroll,
            ("PATCH", ""): self._change,
            ("GET", "collections"): self._collections,  # of /collections
            ("GET", "aliases"): self._aliases,
            ("POST", ""): self._alias,  # of /collections/aliases
        }

    def searched(self) -> list[str]:
        """By which named vectors it was asked."""
        bodies = (asked.body for asked in self.asked if asked.path.endswith("points/query/batch"))
        return [search["using"] for body in bodies for search in body["searches"]]

    async def aliases(self) -> dict[str, str]:
        """The collection behind each alias."""
        return {one.alias_name: one.collection_name for one in (await self._store.get_aliases()).aliases}

    async def _aliases(self, _: str, __: Any) -> Any:
        return (await self._store.get_aliases()).model_dump(mode="json")

    async def _alias(self, _: str, body: Any) -> Any:
        return await self._store.update_collection_aliases(models.ChangeAliasesOperation.model_validate(body).actions)

    async def _collections(self, _: str, __: Any) -> Any:
        return (await self._store.get_collections()).model_dump(mode="json")

    async def delete(self, alias: str) -> None:
        """Lose the collection that an alias names, as when its volume is gone."""
        await self._store.delete_collection((await self.aliases())[alias])

    async def snapshot(self, alias: str) -> Any:
        """A copy of the collection that an alias names, with all that a snapshot holds: the alias is not in it."""
        return deepcopy(self._held[(await self.aliases())[alias]])

    async def restore(self, alias: str, kept: Any) -> None:
        """Put a copy in the place of the collection that an alias names."""
        self._held[(await self.aliases())[alias]] = deepcopy(kept)

    @property
    def _held(self) -> dict[str, Any]:
        return self._store._client.collections  # type: ignore[attr-defined, no-any-return]

    async def _exists(self, name: str, _: Any) -> Any:
        return {"exists": await self._store.collection_exists(name)}

    async def _describe(self, name: str, _: Any) -> Any:
        name = (await self.aliases()).get(name, name)
        info = (await self._store.get_collection(name)).model_dump(mode="json", exclude_none=True)
        if self.strict is not None:
            info["config"]["strict_mode_config"] = self.strict.model_dump(exclude_none=True)
        for number in ("shard_number", "replication_factor", "write_consistency_factor"):
            info["config"]["params"][number] = getattr(self.created[name], number) or 1
        if self.yellow:
            self.yellow, info["status"] = self.yellow - 1, "yellow"
        return info | {"payload_schema": self.indexes}

    async def _create(self, name: str, body: Any) -> Any:
        wanted = models.CreateCollection.model_validate(body)
        made = await self._store.create_collection(name, vectors_config=wanted.vectors, metadata=wanted.metadata)
        self.created[name] = wanted
        return made

    async def _drop(self, name: str, _: Any) -> Any:
        return await self._store.delete_collection(name)

    async def _index(self, name: str, body: Any) -> Any:
        points = (await self._store.count(name)).count
        self.indexes[body["field_name"]] = {"data_type": body["field_schema"], "points": points}
        return {"operation_id": 0, "status": "completed"}

    async def _update(self, name: str, body: Any) -> Any:
        operations = models.UpdateOperations.model_validate(body).operations
        for one in operations:
            if isinstance(one, models.SetPayloadOperation) and one.set_payload.filter and self.strict:
                check_filtered_update(self.strict, one.set_payload.filter, self.indexes)
        await self._store.batch_update_points(name, operations)
        return [{"operation_id": 0, "status": "completed"} for _ in operations]

    async def _upsert(self, name: str, body: Any) -> Any:
        wanted = models.PointsList.model_validate(body)
        if self.is_full:
            raise ValueError("Bad request: Max points count limit of 100 reached")
        if bad := self.refused & {str((point.payload or {}).get("video_id")) for point in wanted.points}:
            raise ValueError(f"Wrong input: something of {len(bad)} points")
        if self.strict is not None:
            check_upsert(self.strict, wanted)
        await self._store.upsert(name, wanted.points, update_filter=wanted.update_filter)
        return {"operation_id": 0, "status": "wait_timeout" if self.is_late else "completed"}

    async def _query(self, name: str, body: Any) -> Any:
        searches = models.QueryRequestBatch.model_validate(body).searches
        if self.strict is not None:
            check_queries(self.strict, searches)
        answers = await self._store.query_batch_points(name, searches)
        for one, answer in zip(searches, answers, strict=True):
            if self.misses and one.params and not one.params.exact:
                del answer.points[1 : 1 + self.misses]
        return [answer.model_dump(mode="json", exclude_none=True) for answer in answers]

    async def _retrieve(self, name: str, body: Any) -> Any:
        wanted = models.PointRequest.model_validate(body)
        points = await self._store.retrieve(
            name, wanted.ids, with_payload=wanted.with_payload or False, with_vectors=wanted.with_vector or False
        )
        return [point.model_dump(mode="json", exclude_none=True) for point in points]

    async def _delete(self, name: str, body: Any) -> Any:
        wanted = models.FilterSelector if "filter" in body else models.PointIdsList
        await self._store.delete(name, wanted.model_validate(body))
        return {"operation_id": 0, "status": "completed"}

    async def _scroll(self, name: str, body: Any) -> Any:
        wanted = models.ScrollRequest.model_validate(body)
        points, following = await self._store.scroll(name, wanted.filter, wanted.limit or 10, offset=wanted.offset)
        return {"points": [point.model_dump(mode="json") for point in points], "next_page_offset": following}

    async def _change(self, _: str, body: Any) -> Any:
        strict = models.UpdateCollection.model_validate(body).strict_mode_config
        self.strict = models.StrictModeConfigOutput(**strict.model_dump()) if strict else self.strict
        return True

    async def _count(self, name: str, body: Any) -> Any:
        wanted = models.CountRequest.model_validate(body)
        return {"count": (await self._store.count(name, wanted.filter)).count}


def new_stub() -> QdrantStub:
    """The stub, over Qdrant's own engine where FRESHET_TEST_ENGINE is `edge` (tests/support/edge_stub.py)."""
    if os.environ.get("FRESHET_TEST_ENGINE") != "edge":
        return QdrantStub()
    from tests.support.edge_stub import EdgeStub

    return EdgeStub()


@asynccontextmanager
async def running(stub: QdrantStub, certificate: Signed | None = None) -> AsyncIterator[QdrantStub]:
    """Serve a stub on a free port of 127.0.0.1, by TLS where it has a certificate."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, limit=2**20, ssl=context)
    stub.url = f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()


@contextmanager
def aside(stub: QdrantStub) -> Iterator[QdrantStub]:
    """Serve a stub from a thread of its own, for what blocks."""
    loop, end, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with running(stub):
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def indexed(stub: QdrantStub) -> set[str]:
    """The videos that a stub was told of."""
    upserts = [one.body["points"] for one in stub.asked if one.method == "PUT" and one.path.endswith("/points")]
    return {str(point["payload"].get("video_id")) for points in upserts for point in points}
