"""A server of its own process whose answers are those of Qdrant's engine, and which says what CPU the engine took.

`python -m tests.bench.edge_qdrant fill FOLDER VIDEOS float32|int8` writes a collection of the made-up world and builds
its graph; `… serve FOLDER` prints an address. HTTP and JSON are the stub's, so only calls of the engine are counted. It
needs qdrant-edge-py (`make edge`).
"""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import qdrant_edge as edge

from encoders.fusion.fusion import VERSION
from ranker.library.library import RETRIEVAL
from ranker.retrieval.index import IndexedVideo
from streams.indexing.step import to_indexed_video
from streams.qdrant.index import UPSERT_POINTS, QdrantIndex
from streams.qdrant.mapping import not_older, to_point
from streams.qdrant.storage import Storage
from tests.bench.ground import START_MS
from tests.bench.points import BUILT_IN, described
from tests.bench.world import DIM, World
from tests.support.edge import EdgeClient, condition, point
from tests.support.edge_stub import EdgeStub
from tests.support.qdrant_stub import running

STORED = {"float32": Storage(), "int8": Storage(is_quantized=True, is_on_disk=True)}
WHOLE = 10_000  # videos with all their vectors
KEPT = 256  # of which so many are made, as in tests/bench/points.py


class Costs:
    """CPU of all threads of this process while the engine works, and memory that it took."""

    def __init__(self) -> None:
        self.cpu_s, self.before = 0.0, resident()

    def of(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """What a call returns."""
        began_s = time.process_time()
        try:
            return call(*given, **named)
        finally:
            self.cpu_s += time.process_time() - began_s


class Metered:
    """A shard whose calls are counted."""

    def __init__(self, shard: Any, costs: Costs) -> None:
        self._shard, self._costs = shard, costs

    def __getattr__(self, name: str) -> Any:
        return partial(self._costs.of, getattr(self._shard, name))


class EdgeServer(EdgeStub):
    """The stub over a collection that was filled before."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.costs, self._filled = Costs(), folder

    def _routes(self) -> dict[tuple[str, str], Any]:
        return super()._routes() | {("GET", "costs"): self._spent}

    async def _spent(self, *_: Any) -> Any:
        now, before = resident(), self.costs.before
        return {"cpu_s": self.costs.cpu_s} | {name: now[name] - before[name] for name in now}

    async def _create(self, name: str, body: Any) -> Any:
        made = await super()._create(name, body)
        self.points.shards.pop(name).close()
        self.costs.before = resident()
        self.points.shards[name] = Metered(edge.EdgeShard.load(self._filled), self.costs)
        return made

    async def _query(self, name: str, body: Any) -> Any:
        self.asked.clear()
        return await super()._query(name, body)


def resident() -> dict[str, float]:
    """MB of this process that are its own, and that are of files and can be read again."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return {
        name: int(lines[field].split()[0]) / 1000 for name, field in (("own_mb", "RssAnon"), ("file_mb", "RssFile"))
    }


async def costs_of(url: str) -> dict[str, float]:
    """What the engine behind a server took so far."""
    async with httpx.AsyncClient(trust_env=False) as client:
        found: dict[str, float] = (await client.get(f"{url}/collections/videos/costs")).json()["result"]
    return found


async def opened(storage: Storage) -> tuple[Any, str]:
    """An empty collection of the engine as the adapter makes it, and its folder."""
    client = EdgeClient(keeps=True)
    index = QdrantIndex(client, "videos", DIM, VERSION, modalities=BUILT_IN.stored, storage=storage)
    await index.start()
    return await client.shard("videos"), client.folders["videos-1"]


async def fill(folder: str, count: int, storage: Storage) -> dict[str, float]:
    """Write videos in parts, as the adapter does, and build the graph; write others with all vectors elsewhere."""
    plain = [one for video in World(count, 1).encoded(START_MS) if (one := to_indexed_video(video, BUILT_IN))]
    shard, own_folder = await opened(storage)
    plain_s, graph_s = write(shard, plain), optimise(shard)
    shard.close()
    shutil.move(own_folder, folder)
    other, _ = await opened(storage)
    return {"plain_us": 1e6 * plain_s / count, "graph_s": graph_s, "all_us": 1e6 * write(other, whole()) / WHOLE}


def whole() -> list[IndexedVideo]:
    """Videos with all vectors that there can be."""
    encoded = [described(number, tuple(BUILT_IN.dims)) for number in range(KEPT)]
    made = [one for video in encoded if (one := to_indexed_video(video, BUILT_IN))]
    return [replace(made[number % KEPT], video_id=f"w{number}") for number in range(WHOLE)]


def optimise(shard: Any) -> float:
    """Build the graph; seconds of CPU."""
    costs = Costs()
    costs.of(shard.optimize)
    return costs.cpu_s


def write(shard: Any, videos: Sequence[IndexedVideo]) -> float:
    """Write videos; seconds of CPU."""
    costs, dims = Costs(), {RETRIEVAL: DIM, **BUILT_IN.stored}
    for start in range(0, len(videos), UPSERT_POINTS):
        points = [to_point(one, dims) for one in videos[start : start + UPSERT_POINTS]]
        wanted = edge.UpdateOperation.upsert_points([*map(point, points)], condition=condition(not_older(points)))
        costs.of(shard.update, wanted)
    return costs.cpu_s


async def serve(folder: str) -> None:
    """Print an address, and answer."""
    async with running(EdgeServer(folder)) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    _, what, *given = sys.argv
    if what == "fill":
        print(json.dumps(asyncio.run(fill(given[0], int(given[1]), STORED[given[2]]))))
    else:
        asyncio.run(serve(given[0]))
