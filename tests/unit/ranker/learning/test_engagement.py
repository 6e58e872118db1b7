"""Counts that decay: what is left of an addition, what comes late, and what a crowd of surfaces costs."""

import numpy as np
import pytest

from ranker.learning.engagement import (
    HALF_LIVES_MS,
    HOUR_MS,
    IN_ALL,
    OTHER_SURFACES,
    SURFACES,
    DecayedSums,
    SurfaceEngagement,
    Tally,
)
from tests.support.events import NOON


def summed(*additions: int, half_life_ms: int = HOUR_MS) -> DecayedSums:
    """One video's sum after additions at these times."""
    sums = DecayedSums(half_life_ms, 1)
    for at_ms in additions:
        sums.add(0, at_ms)
    return sums


@pytest.mark.parametrize(("hours", "left"), [(0, 1), (1, 0.5), (2, 0.25), (10, 2**-10)])
def test_a_sum_halves_within_its_half_life(hours, left):
    assert summed(NOON).read(NOON + hours * HOUR_MS)[0] == pytest.approx(left)


def test_additions_add_up_each_decayed_by_its_own_age():
    sums = summed(NOON, NOON + HOUR_MS, NOON + HOUR_MS)
    assert sums.read(NOON + 2 * HOUR_MS)[0] == pytest.approx(0.25 + 0.5 + 0.5)


def test_what_comes_late_adds_what_is_left_of_it():
    late, in_time = summed(NOON + 3 * HOUR_MS, NOON), summed(NOON, NOON + 3 * HOUR_MS)
    at_ms = NOON + 4 * HOUR_MS
    assert late.read(at_ms)[0] == pytest.approx(in_time.read(at_ms)[0])


@pytest.mark.parametrize("hours", [31, 33, 100, 5000])
def test_after_a_long_time_only_the_new_is_left_and_sums_stay_finite(hours):
    sums = summed(NOON, NOON + hours * HOUR_MS)
    assert sums.read(NOON + hours * HOUR_MS)[0] == pytest.approx(1 + 2.0**-hours)


def test_an_hour_at_a_time_for_a_year_gives_the_sum_of_the_series():
    sums = summed(*(NOON + hour * HOUR_MS for hour in range(24 * 365)))
    assert sums.read(NOON + (24 * 365 - 1) * HOUR_MS)[0] == pytest.approx(2)


def test_a_tally_has_each_half_life_and_all():
    tally = Tally(2)
    tally.add(1, NOON)
    later_ms = NOON + HOUR_MS
    found = [tally.lately(place, later_ms)[1] for place in range(len(HALF_LIVES_MS))]
    assert found == pytest.approx([2 ** -(HOUR_MS / half_life_ms) for half_life_ms in HALF_LIVES_MS])
    assert tally.in_all.tolist() == [0, 1]
    assert IN_ALL not in range(len(HALF_LIVES_MS))


def test_surfaces_are_counted_apart():
    engagement = SurfaceEngagement(1)
    engagement.add(0, "feed", True, NOON)
    engagement.add(0, "search", False, NOON)
    assert engagement.everywhere.exposures.in_all[0] == 2
    assert engagement.on("feed").finishes.in_all[0] == 1
    assert engagement.on("search").finishes.in_all[0] == 0


def test_a_finish_told_later_adds_no_exposure():
    engagement = SurfaceEngagement(1)
    engagement.add(0, "feed", False, NOON)
    engagement.add_finish(0, "feed", NOON + 1)
    for one in (engagement.everywhere, engagement.on("feed")):
        assert (one.exposures.in_all[0], one.finishes.in_all[0]) == (1, 1)


def test_of_ever_more_surfaces_the_first_have_counts_of_their_own_and_the_rest_share_one():
    engagement = SurfaceEngagement(1)
    for number in range(10 * SURFACES):
        engagement.add(0, f"s{number}", False, NOON)
    assert len({id(engagement.on(f"s{number}")) for number in range(10 * SURFACES)}) == SURFACES + 1
    assert engagement.on("s0").exposures.in_all[0] == 1
    assert engagement.on("s100") is engagement.on(OTHER_SURFACES)
    assert engagement.on("s100").exposures.in_all[0] == 9 * SURFACES


def test_asking_for_a_surface_makes_none():
    engagement = SurfaceEngagement(1)
    for number in range(2 * SURFACES):
        engagement.on(f"asked {number}")
    engagement.add(0, "feed", False, NOON)
    assert engagement.on("feed") is not engagement.on(OTHER_SURFACES)


def test_room_for_more_videos_keeps_what_was_counted():
    engagement = SurfaceEngagement(1)
    engagement.add(0, "feed", True, NOON)
    engagement.grow(3)
    engagement.add(2, "feed", False, NOON)
    engagement.add(2, "new", False, NOON)
    assert engagement.on("feed").exposures.lately(0, NOON).tolist() == [1, 0, 1]
    assert engagement.on("new").exposures.in_all.tolist() == [0, 0, 1]
    assert engagement.everywhere.finishes.in_all.dtype == np.float32
