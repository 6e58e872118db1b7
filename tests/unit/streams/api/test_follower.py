"""The thread that keeps the catalogue: it never keeps a request waiting, and it ends."""

import time
from pathlib import Path

import pytest

from schemas.settings.model import Settings
from streams.api.catalogue.follower import CatalogueFollower, followed
from streams.api.catalogue.state import CatalogueState
from streams.api.errors import ProblemError
from tests.support.brokers import CACHE


async def videos(state: CatalogueState) -> int:
    return len(state)


@pytest.fixture
def away(tmp_path: Path) -> Settings:
    """A broker that nobody reaches."""
    return Settings(bootstrap="127.0.0.1:1", data_dir=tmp_path, cache_dir=CACHE.settings.cache_dir)


async def test_without_a_broker_it_says_at_once_that_it_is_being_read_and_ends_when_told_to(away: Settings) -> None:
    began_s = time.monotonic()
    async with followed(away) as catalogue:
        assert not catalogue.is_read
        with pytest.raises(ProblemError) as refused:
            await catalogue.ask(videos)
        assert refused.value.status_code == 503
        thread = catalogue._thread
    assert not thread.is_alive() and time.monotonic() - began_s < 10


async def test_a_question_is_answered_in_the_thread_that_follows_and_its_error_comes_back(away: Settings) -> None:
    async def refused(state: CatalogueState) -> None:
        raise ProblemError(404, "there is no such video")

    follower = CatalogueFollower(away)
    follower.start()
    follower._is_read.set()
    try:
        assert await follower.ask(videos) == 0
        with pytest.raises(ProblemError, match="no such video"):
            await follower.ask(refused)
        assert await follower.ask(videos) == 0
    finally:
        follower.stop()
