"""A shelf of videos for index tests, and Qdrant's published API to hold requests against."""

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ranker.retrieval.index import IndexedVideo
from tests.support.paths import DATA
from tests.support.qdrant_stub import Published, QueryBatch

DIM = 16
T0 = 1_650_000_000_000
ENCODER = "fused@3"
OPENAPI = DATA / "qdrant/openapi-1.19.json"


def vectors(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def video(video_id: str, vector: NDArray[np.float32], at_ms: int = T0, **more: object) -> IndexedVideo:
    fields = {"creator_id": None, "category": None, "language": None, "tags": ()} | more
    return IndexedVideo(video_id=video_id, vector=vector, at_ms=at_ms, **fields)  # type: ignore[arg-type]


def shelf(count: int = 40) -> list[IndexedVideo]:
    """Videos v000.. with spread vectors, three categories, two languages, a minute between uploads."""
    return [
        video(
            f"v{n:03}",
            vector,
            T0 + n * 60_000,
            creator_id=f"c{n % 5}",
            category=("food", "cats", "travel")[n % 3],
            language=("en", "ja")[n % 2],
            tags=(f"t{n % 4}",),
        )
        for n, vector in enumerate(vectors(count, seed=1))
    ]


@lru_cache
def judge() -> Published:
    return Published(json.loads(OPENAPI.read_bytes()))


def assert_published(asked: Sequence[QueryBatch]) -> None:
    assert [fault for request in asked for fault in judge().faults(request)] == []
