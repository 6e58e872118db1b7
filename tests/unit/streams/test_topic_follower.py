"""What follows a topic says one line of what it cannot apply, and goes on trying."""

import errno
import logging
import threading

import pytest

from schemas.settings.model import Settings
from streams.kafka import topic_follower
from streams.kafka.topic_follower import TopicFollower
from streams.kafka.topic_watch import TopicWatch


class Full:
    """A store whose disk is full until somebody makes room."""

    def __init__(self) -> None:
        self.tries, self.has_room = 0, threading.Event()

    def follow(self) -> None:
        self.tries += 1
        if self.tries < 9:
            raise OSError(errno.ENOSPC, "No space left on device", "/data/slates")
        self.has_room.set()


def test_a_store_that_cannot_write_is_one_line_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(topic_follower, "RETRY_DELAY_S", 0.01)
    store = Full()
    follower = TopicFollower(Settings(), "full.recommendations.v1", TopicWatch({}), None)  # type: ignore[arg-type]
    monkeypatch.setattr(follower, "_follow", store.follow)
    follower._thread.start()
    assert store.has_room.wait(30)
    follower.stop()
    (said,) = caplog.records
    assert "full.recommendations.v1: a batch could not be applied, and is tried again" in said.getMessage()
    assert "No space left on device" in said.getMessage() and said.exc_info is None
