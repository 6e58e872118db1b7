"""The videos of the index laws, and Qdrant's published API to hold requests against."""

import json
from collections.abc import Sequence
from functools import lru_cache

from ranker.testing.indexes import DIM, START_MS, shelf, vectors, video
from tests.support.paths import DATA
from tests.support.qdrant_api import Published
from tests.support.qdrant_wire import QueryBatch

__all__ = ["DIM", "ENCODER", "OPENAPI", "T0", "assert_published", "judge", "shelf", "vectors", "video"]

T0 = START_MS
ENCODER = "fused@3"
OPENAPI = DATA / "qdrant/openapi-1.19.json"


@lru_cache
def judge() -> Published:
    return Published(json.loads(OPENAPI.read_bytes()))


def assert_published(asked: Sequence[QueryBatch]) -> None:
    assert [fault for request in asked for fault in judge().faults(request)] == []
