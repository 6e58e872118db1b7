"""What tests of several parts begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.support.idle_time import skip_idle_time
from tests.support.indexed_videos import OPENAPI, assert_published
from tests.support.qdrant_stub import QdrantStub, new_stub, running


@pytest.fixture
async def stub() -> AsyncIterator[QdrantStub]:
    """A Qdrant server's stub; in the end every request that it kept is one of the published interface."""
    skip_idle_time()
    async with running(new_stub()) as server:
        yield server
    if OPENAPI.exists():
        assert_published(server.asked)
