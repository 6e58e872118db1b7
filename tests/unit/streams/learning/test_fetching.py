"""How the learner's client fetches: what is written gathers at the broker until the learner comes for it."""

from pathlib import Path
from typing import Any

import pytest

from schemas.settings.model import Settings
from streams.app import build_learner, build_ranker
from streams.kafka import consumer
from streams.kafka.topic_watch import TopicWatch
from streams.learning.agent import TICK_S
from streams.metrics.measures import Measures


@pytest.mark.parametrize(("build", "is_seldom"), [(build_learner, True), (build_ranker, False)])
async def test_examples_gather_at_the_broker_between_two_ticks_and_profiles_do_not(
    build: Any, is_seldom: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(TopicWatch, "start", lambda _: None)
    monkeypatch.setattr(consumer.kafka, "Consumer", asked.update)
    await build(Settings(data_dir=tmp_path), Measures()).consumer.on_start()
    assert asked["group.id"]
    assert (asked.get("fetch.min.bytes", 1) > 1) == is_seldom
    assert asked.get("fetch.wait.max.ms", 500) <= 1000 * TICK_S
