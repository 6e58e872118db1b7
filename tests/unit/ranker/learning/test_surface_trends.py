"""What is finished of late on a surface: in order, decayed, of videos that may be shown, however it came."""

from collections.abc import Iterable
from itertools import count

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.learning.learner import Learner
from ranker.learning.parameters import RECENT_S, Parameters
from ranker.learning.surface_trends import LEAST, SurfaceTrends
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.outcomes import FINISHED, LIKED
from tests.support.catalogues import LATER, catalogue_of
from tests.support.events import NOON, withdrawn
from tests.support.learning import FACTS, VIDEOS

PLACES = count()


def finished(video: str, times: int = 1, *, surface: str = "feed", after_s: float = 0) -> list[Example]:
    at_ms = NOON + round(after_s * 1000)
    return [Example(next(PLACES), video, at_ms, FINISHED, True, surface, NOTHING) for _ in range(times)]


def learn(parameters: Parameters, found: Iterable[Example]) -> None:
    learner = Learner(parameters, FACTS)
    for one in found:
        [*learner.take(str(one.place), one)]
    [*learner.close()]


def names(catalogue: Catalogue, trends: SurfaceTrends, surface: str = "feed") -> list[str]:
    return [catalogue.ids[row] for row in trends.top(surface)]


def test_what_is_finished_most_on_a_surface_comes_first() -> None:
    parameters, catalogue = Parameters(), catalogue_of(*VIDEOS)
    trends = SurfaceTrends(catalogue, parameters)
    assert names(catalogue, trends) == []
    learn(parameters, [*finished("cook-01", 2), *finished("cook-02", 5), *finished("plant-01", 9, surface="search")])
    assert names(catalogue, trends) == ["cook-02", "cook-01"]
    assert names(catalogue, trends, "search") == ["plant-01"]
    assert names(catalogue, trends, "nowhere") == []


def test_a_finish_counts_half_after_a_half_life_and_ends_by_counting_nothing() -> None:
    parameters, catalogue = Parameters(), catalogue_of(*VIDEOS)
    trends = SurfaceTrends(catalogue, parameters)
    learn(parameters, finished("cook-01", 3))
    learn(parameters, finished("cook-02", 2, after_s=RECENT_S))
    assert names(catalogue, trends) == ["cook-02", "cook-01"]
    learn(parameters, finished("cook-03", 1, after_s=RECENT_S * (1 + np.log2(2 / LEAST))))
    assert names(catalogue, trends) == ["cook-03", "cook-02"]


def test_a_like_is_no_finish_and_what_is_withdrawn_is_not_named() -> None:
    parameters, catalogue = Parameters(), catalogue_of(*VIDEOS)
    trends = SurfaceTrends(catalogue, parameters)
    liked = Example(next(PLACES), "cook-04", NOON, LIKED, True, "feed", NOTHING)
    learn(parameters, [*finished("cook-01", 2), *finished("cook-02", 5), liked])
    catalogue.apply([withdrawn("cook-02", LATER)])
    assert names(catalogue, trends) == ["cook-01"]


def test_what_it_keeps_is_what_a_new_one_finds() -> None:
    parameters, catalogue = Parameters(), catalogue_of(*VIDEOS)
    trends, chance = SurfaceTrends(catalogue, parameters), np.random.default_rng(3)
    for turn in range(12):
        drawn = chance.integers(0, len(VIDEOS), 6).tolist()
        found = [one for n in drawn for one in finished(VIDEOS[n].video_id, 1 + n % 3, after_s=turn * 900)]
        learn(parameters, found)
        if turn % 4 == 3:
            parameters.forget(parameters.of_video(VIDEOS[drawn[0]].video_id))
        assert names(catalogue, trends) == names(catalogue, SurfaceTrends(catalogue, parameters))
