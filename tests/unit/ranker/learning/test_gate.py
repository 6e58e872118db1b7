"""The gate: a flood of labels is not learned, what is odd for hours is, and what was good is good again to the bit."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
from msgspec.structs import replace

from ranker.learning.gate import ODD_WINDOWS, PATIENCE_S, WINDOW, Gate, Rejected
from ranker.learning.learner import Learner
from ranker.learning.parameters import Parameters
from ranker.learning.storage import load
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.outcomes import FINISHED, LIKED, SKIPPED
from tests.support.events import NOON
from tests.support.learning import FACTS, content

EXPOSURES = 2200  # enough for a gate to judge
LIKES = 0.02


class Watched:
    """A learner and its gate, fed with exposures at five a second."""

    def __init__(self) -> None:
        self.parameters, self.count, self.at_ms = Parameters(), 0, NOON
        self.gate, self.chance = Gate(self.parameters), np.random.default_rng(5)

    def exposures(self, count: int, likes: float = LIKES, finishes: float = 0.3) -> Iterator[Example]:
        """So many exposures, with such shares of likes and finishes."""
        videos = [*FACTS]
        for _ in range(count):
            drawn = self.chance.random(3) < (finishes, likes, 0.2)
            labels = drawn @ np.array([FINISHED, LIKED, SKIPPED])
            video = videos[int(self.chance.integers(len(videos)))]
            self.count, self.at_ms = self.count + 1, self.at_ms + 200
            yield Example(self.count, video, self.at_ms, int(labels), True, "feed", NOTHING)

    def learn(self, found: Iterator[Example]) -> Rejected | None:
        """Learn as the step does: note each batch before it is learned, then judge."""
        learner = Learner(self.parameters, FACTS)
        for one in found:
            for batch in learner.take(str(one.place), one):
                self.gate.note(batch)
        for batch in learner.close():
            self.gate.note(batch)
        return self.gate.judge()


@pytest.fixture(scope="module")
def experienced() -> Watched:
    """One that has seen enough to judge."""
    made = Watched()
    assert made.learn(made.exposures(EXPOSURES)) is None
    return made


@pytest.fixture
def watched(experienced: Watched) -> Watched:
    """The same, for one test alone."""
    return deepcopy(experienced)


def test_a_flood_of_likes_is_given_up_and_what_was_good_is_good_again(watched: Watched) -> None:
    before, rows = content(watched.parameters), len(watched.parameters.keys)
    rejected = watched.learn(watched.exposures(WINDOW, likes=0.5))
    assert rejected is not None and rejected.exposures == WINDOW
    assert "like where" in rejected.why
    assert len(watched.parameters.keys) == rows
    assert rolled_back(before, watched.parameters)


def rolled_back(before: bytes, parameters: Parameters) -> bool:
    good = load(before)
    names = ("effect", "variance", "counts")
    rows = len(parameters.keys)
    same = all(np.array_equal(getattr(good, name)[:rows], getattr(parameters, name)[:rows]) for name in names)
    whole = all(np.array_equal(getattr(good, n), getattr(parameters, n)) for n in ("totals", "weights", "covariance"))
    return same and whole


def test_what_is_usual_is_learned(watched: Watched) -> None:
    exposures = watched.parameters.totals[0]
    for _ in range(5):
        assert watched.learn(watched.exposures(WINDOW)) is None
    assert watched.parameters.totals[0] == exposures + 5 * WINDOW


def test_a_window_has_to_be_full_before_it_is_judged(watched: Watched) -> None:
    assert watched.learn(watched.exposures(WINDOW - 1, likes=0.5)) is None
    rejected = watched.learn(watched.exposures(1, likes=0.5))
    assert rejected is not None and rejected.exposures == WINDOW


def test_before_much_is_known_nothing_is_odd() -> None:
    new = Watched()
    assert new.learn(new.exposures(300, likes=0.6)) is None
    assert new.parameters.totals[0] == 300


def test_what_is_odd_for_hours_is_how_people_are(watched: Watched) -> None:
    for _ in range(ODD_WINDOWS):
        assert watched.learn(watched.exposures(WINDOW, likes=0.5)) is not None
    watched.at_ms += PATIENCE_S * 1000
    assert watched.learn(watched.exposures(WINDOW, likes=0.5)) is None


def test_a_few_odd_windows_are_no_habit_however_far_apart(watched: Watched) -> None:
    for _ in range(ODD_WINDOWS - 1):
        assert watched.learn(watched.exposures(WINDOW, likes=0.5)) is not None
        watched.at_ms += PATIENCE_S * 1000


def test_likes_that_are_told_later_are_not_missed() -> None:
    """An eighth of all exposures are liked, each some seconds after it was watched, by an example of its own."""
    new = Watched()
    for _ in range(15):
        found = [*new.exposures(400, likes=0.0)]
        later = [replace(one, labels=LIKED, is_first=False, place=one.place + 10**9) for one in found[::8]]
        assert new.learn(iter([*found, *later])) is None


def test_what_is_no_number_is_given_up() -> None:
    new = Watched()
    assert new.learn(new.exposures(WINDOW)) is None
    assert new.learn(new.exposures(20)) is None
    new.parameters.weights[0, 0] = np.nan
    rejected = new.learn(new.exposures(WINDOW))
    assert rejected is not None and "no number" in rejected.why
    assert np.isfinite(new.parameters.weights).all()
    assert new.learn(new.exposures(WINDOW)) is None


def test_one_usual_window_ends_what_was_odd(watched: Watched) -> None:
    assert watched.learn(watched.exposures(WINDOW, likes=0.5)) is not None
    assert watched.learn(watched.exposures(WINDOW)) is None
    watched.at_ms += PATIENCE_S * 1000
    assert watched.learn(watched.exposures(WINDOW, likes=0.5)) is not None


def test_parameters_that_went_astray_are_given_up(watched: Watched) -> None:
    """Whatever made them so: here their weights are spoiled within a window."""
    assert watched.learn(watched.exposures(20)) is None
    watched.parameters.weights[0, 0] += 3
    rejected = watched.learn(watched.exposures(400))
    assert rejected is not None
    assert watched.parameters.weights[0, 0] < 1
