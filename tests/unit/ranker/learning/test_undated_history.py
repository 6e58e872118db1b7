"""Undated histories: counters that begin with them are as if they had been counted, and videos keep what is learned."""

import msgspec
import pytest

from ranker.catalogue.entry import VideoFacts
from ranker.learning.fields import FIELD_NAMES
from ranker.learning.parameters import Parameters
from ranker.learning.undated_history import SKIPPED_OF_UNFINISHED, History, warm_counters, warm_videos, warmed
from ranker.profile.counters import NOTHING, Counters, count
from ranker.profile.outcomes import FINISHED, LIKED, MET, SKIPPED
from tests.support.events import NOON, minute

ANA = History("ana", NOON, 4, ("v1", "v2", "v3", "v4"), finished=("v1", "v4"), liked=("v4",))
COUNTED = (MET | FINISHED, MET, MET, MET | FINISHED | LIKED)


def counted(counters: Counters, bits: tuple[int, ...], surface: str = "") -> Counters:
    for number, one in enumerate(bits, 1):
        counters = count(counters, one, number, minute(number), surface, False).counters
    return counters


def test_a_history_adds_what_its_exposures_would_have_counted() -> None:
    found, expected = warmed(NOTHING, warm_counters(ANA)), counted(NOTHING, COUNTED)
    assert msgspec.structs.replace(found.surfaces[0], skipped=0) == expected.surfaces[0]
    assert (found.finish_rate, found.like_rate) == pytest.approx((expected.finish_rate, expected.like_rate))
    assert (found.bits, found.at_ms) == (expected.bits, NOON)


def test_what_the_log_counts_comes_behind_the_history() -> None:
    before, later = warm_counters(ANA), (MET | SKIPPED, MET | FINISHED)
    first, then = counted(warmed(NOTHING, before), later, "feed"), warmed(counted(NOTHING, later, "feed"), before)
    for name in ("finish_rate", "like_rate", "skip_rate"):
        assert getattr(then, name) == pytest.approx(getattr(first, name))
    assert (then.surfaces, then.bits, then.at_ms, then.video) == (first.surfaces, first.bits, first.at_ms, first.video)


def test_a_usual_share_of_what_was_not_finished_counts_as_skipped() -> None:
    unfinished = History("ben", NOON, 100, ("v1",))
    assert warm_counters(unfinished).counts.skipped == round(100 * SKIPPED_OF_UNFINISHED)
    assert warm_counters(ANA).counts.skipped == round(2 * SKIPPED_OF_UNFINISHED)


def test_of_more_than_is_listed_the_listed_ones_give_the_rates() -> None:
    counts = warm_counters(History("ben", NOON, 60, ("v1", "v2"), ("v7", "v8", "v2"), ("v7", "v8", "v9"))).counts
    assert (counts.exposures, counts.finished, counts.liked) == (60, 30, 3)


def test_a_number_of_exposures_below_what_is_listed_is_raised() -> None:
    counts = warm_counters(History("ben", NOON, 1, ("v1", "v2"), ("v2",), ("v1", "v2", "v3"))).counts
    assert (counts.exposures, counts.finished, counts.liked) == (2, 1, 2)


def test_videos_and_creators_get_their_counts_and_nothing_else_changes() -> None:
    parameters = Parameters()
    warm_videos(parameters, [ANA, History("ben", NOON, 1, ("v1",))], {"v1": VideoFacts("c1"), "v4": VideoFacts("c1")})

    def counts(field: str, key: str) -> list[float]:
        return parameters.counts[parameters.row(FIELD_NAMES.index(field), key)].tolist()

    assert counts("video", "v1") == pytest.approx([2, 1, 0, SKIPPED_OF_UNFINISHED])
    assert counts("video", "v4") == [1, 1, 1, 0]
    assert counts("creator", "c1") == pytest.approx([3, 2, 1, SKIPPED_OF_UNFINISHED])
    assert not parameters.counts[0].any() and not parameters.effect.any() and not parameters.totals.any()
