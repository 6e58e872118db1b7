"""Reasons that name a video, tried on a simulated log: without its events the score falls."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from msgspec import structs

from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.types import Candidates, FeatureMatrix, Scores, Selection
from ranker.simulation.world import simulated_log
from schemas.messages import feedback, videos
from schemas.messages.recommendations import Item
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.logs.jsonl import read_log
from tests.support.brokers import CACHE
from tests.support.events import NOON
from tests.support.falsification import Falsified, Spoil, as_it_is, falsify_log

LEAST, EVERY = 0.95, 6  # share that has to hold; every so many slates are tried


def simulated() -> Iterator[bytes]:
    for message in simulated_log(11, 12, 80, 300, NOON):
        yield videos.encode(message) if isinstance(message, Upload) else feedback.encode(message)


def falsified(spoil: Spoil = as_it_is, *, learning: bool = False) -> Falsified:
    settings = Settings(cache_dir=CACHE.settings.cache_dir)
    return asyncio.run(falsify_log(settings, read_log(simulated()), EVERY, learning=learning, spoil=spoil))


def naming(pipeline: Pipeline, column: int) -> Pipeline:
    """The feed, but reasons name whatever interest stands in a column: the flaw that has to be noticed."""

    def flawed(
        candidates: Candidates, features: FeatureMatrix, scores: Scores, selection: Selection
    ) -> list[list[Item]]:
        row = int(features.interests[0, column])
        named = pipeline.catalogue.ids[row] if row >= 0 else None
        for items in (made := pipeline.explain(candidates, features, scores, selection)):
            for item in items:
                item.reasons[:] = [
                    structs.replace(because, video_id=named) if because.code == "similar_to" else because
                    for because in item.reasons
                ]
        return made

    return replace(pipeline, explain=flawed)


@pytest.mark.parametrize("learning", [False, True])
def test_a_score_falls_without_the_events_that_its_reason_names(learning: bool) -> None:
    found = falsified(learning=learning)
    assert found.slates == 50 and found.differing == 0
    assert len(found.cases) > 300 and len({case.named for case in found.cases}) > 20
    assert found.share() >= LEAST
    assert len(found.cases) / found.naming > 0.8, "a reason that names nothing cannot be falsified"


def test_reasons_that_name_any_interest_are_found_out() -> None:
    found = falsified(lambda pipeline: naming(pipeline, column=1))
    assert len(found.cases) > 300
    assert found.share() < 0.7
