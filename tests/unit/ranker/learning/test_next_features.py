"""What is said of each video at a moment, in a world of six videos that is small enough to count."""

from math import log

import numpy as np
import pytest

from ranker.catalogue.entry import VideoFacts
from ranker.learning.catalogue_state import RECENT, CatalogueState, Met, Moment
from ranker.learning.engagement import HOUR_MS
from ranker.learning.next_features import FEATURES, NAMES, SMALL, View, feature_table
from tests.support.events import NOON

FACTS = {
    "cat": VideoFacts("ann", "pets", "waltz", 20_000),
    "dog": VideoFacts("ann", "pets", None, 20_000),
    "fox": VideoFacts("bob", "pets", "waltz", 20_000),
    "car": VideoFacts("bob", "cars", None, 150_000),
    "bus": VideoFacts(None, None, None, 0),
    "van": VideoFacts(None, None, None, 0),
}
VIDEOS = [*FACTS]


def world(*exposures: tuple[str, str, float, bool]) -> CatalogueState:
    """The videos, after exposures of nobody in particular: video, surface, hours after noon, whether finished."""
    state = CatalogueState()
    for video_id, facts in FACTS.items():
        state.put(video_id, facts)
    for video_id, surface, hours, is_finished in exposures:
        moment = Moment(surface, NOON + round(hours * HOUR_MS))
        state.meet(VIDEOS.index(video_id), moment, is_finished=is_finished)
    return state


def said(state: CatalogueState, name: str, moment: Moment) -> dict[str, float]:
    """A feature of each video of which it is not what it is of most."""
    row = feature_table(View(state, moment))[NAMES.index(name)].astype(float)
    usual = np.median(row)
    return {video: value for video, value in zip(VIDEOS, row, strict=True) if abs(value - usual) > 1e-6}


def at(hours: float, *recent: Met, surface: str = "feed") -> Moment:
    return Moment(surface, NOON + round(hours * HOUR_MS), recent)


FINISHED_CAT, SAW_CAT, FINISHED_CAR, SAW_CAR, SAW_BUS = (
    Met("cat", True), Met("cat", False), Met("car", True), Met("car", False), Met("bus", False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exposures of 1 h", {"cat": log(1 + 0.5 + 1), "dog": log(1 + 0.5)}),
        ("exposures of 6 h", {"cat": log(1 + 2 ** (-1 / 6) + 1), "dog": log(1 + 2 ** (-1 / 6))}),
        ("exposures of all time", {"cat": log(3), "dog": log(2)}),
        ("exposures of all time on surface", {"cat": log(2), "dog": log(2)}),
        ("exposures of 1 h on surface", {"cat": log(1.5), "dog": log(1.5)}),
        ("recency of 1 h", {"cat": log(SMALL + 1.5), "dog": log(SMALL + 0.5)}),
        ("age", {"cat": log(2), "dog": log(2)}),
        ("idle", {"cat": 0, "dog": log(2)}),
    ],
)
def test_counts_of_a_video_fade(name, expected):
    state = world(("cat", "feed", 0, True), ("dog", "feed", 0, False), ("cat", "search", 1, False))
    assert said(state, name, at(1)) == pytest.approx(expected, rel=1e-5)


def test_a_video_that_nobody_met_is_new():
    state = world(*((video, "feed", 0, False) for video in VIDEOS[1:]))
    assert said(state, "new", at(1)) == {"cat": 1}


def test_a_finish_rate_is_drawn_towards_the_overall_one():
    state = world(*(("cat", "feed", 0, True),) * 3, ("dog", "feed", 0, False))
    overall = (3 + 1) / (4 + 2)
    found = said(state, "finish rate", at(1))
    cat, dog = 3 + 5 * overall, 5 * overall
    assert found["cat"] == pytest.approx(log(cat / (8 - cat)) - log(overall / (1 - overall)), rel=1e-5)
    assert found["dog"] == pytest.approx(log(dog / (6 - dog)) - log(overall / (1 - overall)), rel=1e-5)
    assert set(found) == {"cat", "dog"}


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("finish rate of creator", ["cat", "dog"]),
        ("finish rate of tag", ["cat", "dog", "fox"]),
        ("finish rate of length on surface", ["cat", "dog", "fox"]),
    ],
)
def test_videos_with_something_in_common_share_its_finish_rate(name, alike):
    state = world(*(("cat", "feed", 0, True),) * 3, *(("car", "feed", 0, False),) * 3)
    row = feature_table(View(state, at(1)))[NAMES.index(name)]
    assert {VIDEOS[place] for place in np.flatnonzero(row > 0.01)} == set(alike)
    assert row[VIDEOS.index("car")] < -0.01


def test_what_was_finished_on_another_surface_is_not_the_rate_of_this_one():
    state = world(*(("cat", "search", 0, True),) * 3)
    assert said(state, "finish rate on surface", at(1)) == {}
    assert set(said(state, "finish rate on surface", at(1, surface="search"))) == {"cat"}


@pytest.mark.parametrize(
    ("name", "recent", "expected"),
    [
        ("creator met", [SAW_CAT], {"cat": log(2), "dog": log(2)}),
        ("creator met", [SAW_CAT, Met("dog", False)], {"cat": log(3), "dog": log(3)}),
        ("creator finished", [SAW_CAT], {}),
        ("creator finished", [FINISHED_CAT], {"cat": log(2), "dog": log(2)}),
        ("tag met", [SAW_CAR], {"car": log(2)}),
        ("share of tag", [SAW_CAR], {"car": 1 / (1 + 3)}),
        ("creator met", [SAW_BUS], {}),  # two videos without a creator have none in common
        ("tag met", [SAW_BUS], {}),
        ("length not finished", [SAW_CAR], {"car": log(2)}),
        ("length not finished", [FINISHED_CAR], {}),
        ("length finished", [FINISHED_CAR], {"car": log(2 * 3 / 4)}),
        ("length finished", [SAW_CAR], {"car": log(3 / 4)}),
        ("creator met", [Met("gone", True)], {}),  # a video that is not known
    ],
)
def test_videos_are_compared_with_what_the_person_met(name, recent, expected):
    assert said(world(), name, at(1, *recent)) == pytest.approx(expected, rel=1e-5)


def test_lengths_next_to_one_another_are_alike():
    state = world()
    state.put("dog", VideoFacts(duration_ms=24_000))  # one bucket longer than the cat's
    found = said(state, "length finished", at(1, FINISHED_CAT))
    assert found["cat"] > found["dog"] > 0


def test_of_a_video_that_was_met_twice_the_newest_counts():
    state = world()
    assert said(state, "creator finished", at(1, FINISHED_CAT, SAW_CAT)) == {}
    assert set(said(state, "creator finished", at(1, SAW_CAT, FINISHED_CAT))) == {"cat", "dog"}


def test_of_a_long_history_the_newest_count():
    long = [SAW_CAT, *[Met(f"other {n}", False) for n in range(RECENT)]]
    assert said(world(), "creator met", at(1, *long)) == {}
    assert set(said(world(), "creator met", at(1, *long[:-1]))) == {"cat", "dog"}


def test_what_was_met_together_is_close_and_the_newest_most():
    state = world(*((video, "feed", 0, False) for video in VIDEOS))
    state.meet(VIDEOS.index("dog"), at(0, SAW_CAT), is_finished=False)  # the dog after the cat
    state.meet(VIDEOS.index("van"), at(0, SAW_CAR), is_finished=False)
    assert set(said(state, "met together", at(0, SAW_CAT))) == {"dog"}
    one, two = (said(state, "met together lately", at(0, *met)) for met in ((SAW_CAT, SAW_CAR), (SAW_CAR, SAW_CAT)))
    assert one["van"] > one["dog"] and two["dog"] > two["van"]


def test_a_video_is_not_met_together_with_itself():
    state = world(("cat", "feed", 0, False))
    state.meet(0, at(1, SAW_CAT), is_finished=True)
    assert said(state, "met together", at(1, SAW_CAT)) == {}


def test_a_changed_video_is_compared_as_it_is_now():
    state = world()
    state.put("cat", VideoFacts("zoe", "cars", None, 20_000))
    assert set(said(state, "tag met", at(1, SAW_CAR))) == {"cat", "car"}


def test_looking_changes_nothing_and_all_is_finite():
    state = world(("cat", "feed", 0, True), ("dog", "feed", 0, False))
    moments = [at(1, FINISHED_CAT, SAW_CAR), at(-1), at(9000, SAW_BUS, surface="never seen")]
    before = [feature_table(View(state, moment)) for moment in moments]
    assert all(np.isfinite(table).all() for table in before)
    assert [table.tolist() for table in before] == [feature_table(View(state, one)).tolist() for one in moments]


def test_names_are_unique_and_there_is_a_table_without_videos():
    assert len(set(NAMES)) == len(FEATURES)
    assert feature_table(View(CatalogueState(), at(0))).shape == (len(FEATURES), 0)
