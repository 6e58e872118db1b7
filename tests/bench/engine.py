"""index.engine: what Qdrant's own engine takes to hold, search and fill a collection, and how much it finds.

The engine is in a process of its own (tests/bench/edge_qdrant.py), one thread; its CPU is that of its calls alone, so a
server's HTTP and JSON are not in it. The client's is measured as for index.retrieval.
"""

import asyncio
import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np

from encoders.fusion.fusion import VERSION
from ranker.retrieval.index import Hits, SearchFilter
from streams.qdrant.client import connect
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Floats
from streams.qdrant.storage import Storage
from tests.bench.costly_qdrant import served
from tests.bench.edge_qdrant import STORED, costs_of
from tests.bench.ground import Ground
from tests.bench.ranking import _asked
from tests.bench.results import Result
from tests.bench.retrieval import PATIENT, Charge, Spent, measured
from tests.bench.world import DIM, World
from tests.support.paths import ROOT

NAME, MODULE, K, QUERIES = "index.engine", "tests.bench.edge_qdrant", 32, 256
EFS, OVERSAMPLINGS = (64, 128, 256, 512), (1.0, 2.0, 4.0)
CATEGORY = SearchFilter(categories=("kind-7",))  # one in fifty


def engine(ground: Ground) -> list[Result]:
    """Of float32 and of int8: filling and the graph; searches of several widths; slates; memory after them."""
    videos, people = ground.size((100_000, 64), (2000, 16))
    world = World(videos, people, zipf=False)
    catalogue, rounds = _asked(world)
    results: list[Result] = []
    for stored, storage in STORED.items():
        folder, at = ground.folder / f"engine-{stored}", f"{videos:,} videos, {stored}"
        results += filled(folder, videos, stored, at)
        with serving(folder) as url:
            results += asyncio.run(searched(url, storage, world.vectors(), at))
        with serving(folder) as url:
            made = measured(stored, catalogue, catalogue, rounds[:3], url, charged(url), storage)
            results += [replace(one, name=NAME) for one in asyncio.run(made)]
            held = asyncio.run(costs_of(url))
        results.append(Result(NAME, held["own_mb"] + held["file_mb"], "MB", f"{at}, in memory", more=held))
    return results


def serving(folder: Path) -> AbstractContextManager[str]:
    """The address of a server over a collection that was filled before."""
    return served(MODULE, "serve", str(folder))


def filled(folder: Path, videos: int, stored: str, at: str) -> list[Result]:
    """Fill a collection in a process of its own."""
    command = [sys.executable, "-m", MODULE, "fill", str(folder), str(videos), stored]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(ran.stdout)
    return [
        Result(NAME, found["plain_us"], "cpu_us/video", f"{at}, written, retrieval"),
        Result(NAME, found["all_us"], "cpu_us/video", f"{at}, written, all vectors"),
        Result(NAME, found["graph_s"], "cpu_s", f"{at}, the graph"),
    ]


def charged(url: str) -> Charge:
    """What the engine took since the last call."""
    before = 0.0

    async def charge(_: Spent) -> float:
        nonlocal before
        now = (await costs_of(url))["cpu_s"]
        before, taken = now, now - before
        return 1000 * taken

    return charge


async def searched(url: str, storage: Storage, vectors: Floats, at: str) -> list[Result]:
    """recall@32 and CPU of a search, by how wide it is and how many candidates int8 gives."""
    index = QdrantIndex(connect(url), "videos", DIM, VERSION, reading=PATIENT, writing=PATIENT, storage=storage)
    await index.start()
    chance = np.random.default_rng(5)
    asked = vectors[chance.integers(0, len(vectors), QUERIES)] + chance.normal(0, 0.02, (QUERIES, DIM)).astype(
        np.float32
    )
    ways = [(ef, storage) for ef in EFS]
    if storage.is_quantized:
        ways = [(ef, replace(storage, oversampling=over)) for ef in EFS[1:3] for over in OVERSAMPLINGS]
    results = []
    for where in (None, CATEGORY):
        exact = await index.searching(PATIENT, exact=True).near(asked, K, where)
        for ef, how in ways:
            index._storage = how
            spent_ms, found = await timed(index.searching(PATIENT, hnsw_ef=ef), url, asked, where)
            same = [len({*one.video_ids} & {*truth.video_ids}) for one, truth in zip(found, exact, strict=True)]
            of = f"ef {ef}" + (f", oversampling {how.oversampling:g}" if how.is_quantized else "")
            filtered = ", one category" if where else ""
            more = {"recall@32": sum(same) / sum(len(truth.video_ids) for truth in exact)}
            results.append(Result(NAME, spent_ms, "cpu_ms/search", f"{at}, {of}{filtered}", more=more))
    await index.close()
    return results


async def timed(index: QdrantIndex, url: str, asked: Floats, where: SearchFilter | None) -> tuple[float, list[Hits]]:
    """The engine's CPU in ms for one of some searches, and what they found."""
    charge = charged(url)
    await charge(Spent(0))
    found = [
        hits for start in range(0, len(asked), 32) for hits in await index.near(asked[start : start + 32], K, where)
    ]
    return await charge(Spent(0)) / len(asked), found
