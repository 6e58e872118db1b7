"""A server of its own process that answers an indexer like Qdrant, and pays for each video what Qdrant pays.

`python -m tests.bench.costly_qdrant` prints its address. It keeps the ids of the videos alone. The stub of the tests,
which is Python, would pay several times as much.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.support.paths import ROOT
from tests.support.qdrant_stub import QdrantStub, running
from tests.support.qdrant_wire import QueryBatch

UPSERT_S = 0.0002  # CPU of Qdrant 1.19.0 for a point of a conditional upsert: decision 0061
VIDEO_ID = re.compile(rb'"video_id":"([^"]+)"')


class Unkept(list[QueryBatch]):
    """Requests that nobody wants to see: 100,000 videos are gigabytes of them."""

    def append(self, _: QueryBatch) -> None:
        """Forget it."""


class CostlyQdrant(QdrantStub):
    """The stub, but videos cost CPU and are not kept."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Unkept()
        self.ids: set[bytes] = set()

    def parse(self, body: bytes) -> Any:
        """Nothing but the ids of videos."""
        began_s, ids = time.thread_time(), VIDEO_ID.findall(body)
        if not ids:
            return super().parse(body)
        self.ids.update(ids)
        while time.thread_time() - began_s < UPSERT_S * len(ids):
            pass
        return None

    async def _upsert(self, name: str, body: Any) -> Any:
        return await super()._upsert(name, body) if body else {"operation_id": 0, "status": "completed"}

    async def _count(self, name: str, body: Any) -> Any:
        return {"count": len(self.ids)}


def costly_qdrant() -> AbstractContextManager[str]:
    """The address of one for the time of a `with`."""
    return served("tests.bench.costly_qdrant")


@contextmanager
def served(module: str, *given: str, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address that a module prints which serves in a process of its own; `more` is added to its environment."""
    command = [sys.executable, "-m", module, *given]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(more or {})}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


async def _serve() -> None:
    async with running(CostlyQdrant()) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
