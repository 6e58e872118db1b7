"""A server of its own process that finds what Qdrant would among many videos, for which the stub is too slow.

`python -m tests.bench.exact_qdrant VIDEOS` prints its address. It compares with every video of the made-up world and
then misses some of them, as a search of a graph does. What that costs Qdrant, it does not pay.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ranker.library.library import RETRIEVAL
from streams.qdrant.mapping import Floats, point_id
from tests.bench.costly_qdrant import served
from tests.bench.world import World
from tests.support.qdrant_stub import QdrantStub, running

Search = Mapping[str, Any]
RECALL = 0.998  # recall@32 of Qdrant 1.19.0 among 100,000 videos at ef 256, which is what is asked for there
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class ExactQdrant(QdrantStub):
    """The stub, but its videos are the rows of a matrix; what else is written is kept as ever."""

    def __init__(self, videos: int) -> None:
        super().__init__()
        self.vectors = World(videos, 1).vectors()
        self.video_ids = [f"v{number:06}" for number in range(videos)]
        self.point_ids = [*map(point_id, self.video_ids)]
        self.row_of = {one: row for row, one in enumerate(self.point_ids)}
        self.chance = np.random.default_rng(0)

    async def _describe(self, name: str, body: Any) -> Any:
        return await super()._describe(name, body) | {"points_count": len(self.video_ids)}

    async def _query(self, _: str, body: Any) -> Any:
        self.asked.clear()
        searches = [(one, one.get("prefetch") or [one]) for one in body["searches"]]
        asked = [self._vector(inner["query"]) for _, parts in searches for inner in parts]
        scores = iter(np.float32(asked) @ self.vectors.T)
        return [self._answer_to(one, parts, scores) for one, parts in searches]

    async def _retrieve(self, name: str, body: Any) -> Any:
        rows = [self.row_of[one] for one in body["ids"] if one in self.row_of]
        if not rows:
            return await super()._retrieve(name, body)
        return [{"id": self.point_ids[row], "vector": {RETRIEVAL: self.vectors[row].tolist()}} for row in rows]

    def _vector(self, query: Any) -> Any:
        found = query["nearest"] if isinstance(query, dict) else query
        return self.vectors[self.row_of[found]] if isinstance(found, str) else found

    def _answer_to(
        self, search: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], scores: Iterator[Floats]
    ) -> Any:
        """One search, or the best of several inside it by the sum of their reciprocal ranks."""
        left_out = self._left_out(search.get("filter"))
        worth: dict[int, float] = {}
        for part in parts:
            own = [self.row_of[part["query"]]] if isinstance(part["query"], str) else []  # it is not in its answer
            for place, (row, score) in enumerate(self._near(next(scores), part["limit"], left_out + own)):
                worth[row] = worth.get(row, 0.0) + (score if part is search else 1 / (2 + place))
        best = sorted(worth, key=lambda row: -worth[row])[: search["limit"]]
        return {"points": [self._point(row, worth[row]) for row in best]}

    def _point(self, row: int, score: float) -> Any:
        payload = {"video_id": self.video_ids[row]}
        return {"id": self.point_ids[row], "version": 1, "score": score, "payload": payload}

    def _left_out(self, condition: Search | None) -> list[int]:
        parts = (condition or {}).get("must_not") or []
        return [self.row_of[one] for part in parts for one in part.get("has_id", ()) if one in self.row_of]

    def _near(self, scores: Floats, limit: int, left_out: list[int]) -> list[tuple[int, float]]:
        scores[left_out] = -np.inf
        best = np.argpartition(-scores, limit)[:limit]
        best = best[np.argsort(-scores[best])]
        best = best[self.chance.random(len(best)) < RECALL]
        return [*zip(best.tolist(), scores[best].tolist(), strict=True)]


def exact_qdrant(videos: int) -> AbstractContextManager[str]:
    """The address of one for the time of a `with`."""
    return served("tests.bench.exact_qdrant", str(videos), more=ONE_THREAD)


async def _serve(videos: int) -> None:
    async with running(ExactQdrant(videos)) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
