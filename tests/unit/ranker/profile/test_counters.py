"""What is counted of a person: exposures once, whatever is said of them, and what is said of them later."""

from collections.abc import Callable

import msgspec
import pytest

from ranker.profile.codec import pack, unpack
from ranker.profile.counters import NOTHING, RECENCY, SURFACES, Counters, SurfaceCounts
from ranker.profile.example import Example
from ranker.profile.fold import fold_batch
from ranker.profile.model import EMPTY, Profile
from ranker.profile.outcomes import FINISHED, LIKED, SKIPPED
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS
from tests.support.events import (
    after,
    arrivals,
    commented,
    hid,
    liked,
    minute,
    rated,
    searched,
    shown,
    skipped,
    watched,
)


def counted(*events: Feedback) -> Counters:
    return after(*events).counters


def examples(*events: Feedback) -> list[Example]:
    return [example for _, example in fold_batch({}, arrivals(events), DAY_MS, for_learning=True).examples]


def on(counters: Counters) -> list[tuple[str, int, int, int, int]]:
    return [(one.surface, one.exposures, one.finished, one.liked, one.skipped) for one in counters.surfaces]


def test_events_of_one_moment_are_one_exposure_whose_labels_add_up() -> None:
    found = counted(
        watched("ana", "v1", surface="feed"), liked("ana", "v1", surface="feed"), commented("ana", "v1", surface="feed")
    )
    assert on(found) == [("feed", 1, 1, 1, 0)]
    assert found.finish_rate == found.like_rate == RECENCY and found.skip_rate == 0


def test_a_like_that_comes_with_a_time_of_its_own_belongs_to_the_last_exposure() -> None:
    assert on(counted(watched("ana", "v1"), liked("ana", "v1", minute(1)), liked("ana", "v1", minute(2)))) == [
        ("", 1, 1, 1, 0)
    ]


def test_a_watch_after_the_like_of_a_video_that_was_not_met_before_is_the_same_exposure() -> None:
    assert on(counted(liked("ana", "v1"), watched("ana", "v1", minute(1)))) == [("", 1, 1, 1, 0)]


def test_a_like_of_a_video_that_was_met_long_ago_adds_no_exposure() -> None:
    found = counted(watched("ana", "v1"), watched("ana", "v2", minute(1)), liked("ana", "v1", minute(2)))
    assert on(found) == [("", 2, 2, 1, 0)]
    assert found.at_ms == minute(1)  # of the last exposure


def test_a_video_that_is_watched_again_is_met_again() -> None:
    assert on(counted(watched("ana", "v1"), watched("ana", "v1", minute(1), watched_ms=1))) == [("", 2, 1, 0, 0)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (watched, (1, 1, 0, 0)),
        (lambda u, v: watched(u, v, watched_ms=17_999, duration_ms=60_000), (1, 0, 0, 0)),
        (lambda u, v: watched(u, v, watched_ms=18_000, duration_ms=60_000), (1, 1, 0, 0)),
        (lambda u, v: watched(u, v, watched_ms=99_000, duration_ms=None), (1, 0, 0, 0)),
        (skipped, (1, 0, 0, 1)),
        (liked, (1, 0, 1, 0)),
        (hid, (1, 0, 0, 0)),
        (lambda u, v: rated(u, v, value=0.8), (1, 0, 1, 0)),
        (lambda u, v: rated(u, v, value=0.5), (1, 0, 0, 0)),
        (lambda u, v: rated(u, v, value=0.2), (1, 0, 0, 1)),
    ],
)
def test_what_an_event_says(event: Callable[..., Feedback], expected: tuple[int, ...]) -> None:
    assert on(counted(event("ana", "v1"))) == [("", *expected)]


def test_what_shows_nothing_of_how_a_video_was_taken_counts_nothing() -> None:
    assert counted(shown("ana", "v1"), searched("ana", "cats", minute(1))) == NOTHING


def test_each_surface_has_counts_and_the_one_that_was_seen_longest_ago_goes() -> None:
    events = [skipped("ana", f"v{n}", minute(n), surface=f"s{n % (SURFACES + 1)}") for n in range(SURFACES + 2)]
    assert [one[0] for one in on(counted(*events))] == [*(f"s{n}" for n in range(2, SURFACES + 1)), "s0"]


def test_recent_rates_forget() -> None:
    found = counted(watched("ana", "v0"), *(skipped("ana", f"v{n}", minute(n)) for n in range(1, 4)))
    assert found.finish_rate == pytest.approx(RECENCY * (1 - RECENCY) ** 3)
    assert found.skip_rate == pytest.approx(1 - (1 - RECENCY) ** 3)


def test_an_example_has_the_counters_from_before_and_says_what_is_new() -> None:
    one, two, three = examples(
        watched("ana", "v1", surface="feed"), liked("ana", "v1", surface="feed"), skipped("ana", "v2", minute(1))
    )
    assert (one.labels, one.is_first, one.counters, one.surface) == (FINISHED, True, NOTHING, "feed")
    assert (two.labels, two.is_first, two.video_id) == (LIKED, False, "v1")
    assert (three.labels, three.is_first, on(three.counters)) == (SKIPPED, True, [("feed", 1, 1, 1, 0)])
    assert [one.place for one in (one, two, three)] == [0, 1, 2]


def test_what_was_said_already_is_no_example() -> None:
    assert len(examples(watched("ana", "v1"), liked("ana", "v1"), liked("ana", "v1", minute(1)))) == 2


def test_examples_of_a_batch_are_in_the_order_of_its_events_whoevers_they_are() -> None:
    found = examples(watched("ben", "v1"), watched("ana", "v1"), watched("ben", "v2", minute(1)))
    assert [one.place for one in found] == [0, 1, 2]


def test_a_profile_of_an_earlier_release_has_counted_nothing() -> None:
    earlier = [getattr(EMPTY, name) for name in EMPTY.__struct_fields__[:-1]]
    assert unpack(msgspec.msgpack.encode(["p1", *earlier])) == EMPTY
    counters = Counters(1, 2, 3, 0.5, 0, 0, (SurfaceCounts("feed", 3, 1, 0, 1),))
    assert unpack(pack(Profile(*earlier, counters))).counters == counters
