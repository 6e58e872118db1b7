"""The profile: what each event leaves in it."""

import msgspec
import pytest

from ranker.profile import history
from ranker.profile.model import EMPTY, SEEN, SEEN_BYTES, seen_codes, video_code
from tests.support.events import (
    NOON,
    ONE_OF_EACH,
    after,
    followed,
    hid,
    liked,
    minute,
    rated,
    searched,
    shared,
    shown,
    skipped,
    watched,
)


def ids(remembered: history.Interactions | history.HiddenItems) -> list[str]:
    return [mark.video_id for mark in remembered]


def test_a_watched_video_is_remembered_with_the_share_watched():
    ana = after(watched("ana", "cats-1", watched_ms=5_000, duration_ms=10_000))
    assert [(mark.video_id, mark.weight) for mark in ana.watches] == [("cats-1", 50)]


@pytest.mark.parametrize(
    ("watched_ms", "duration_ms", "weight"),
    [
        (18_000, 600_000, 100),  # 18 s are enough of a long video
        (17_999, 600_000, 99),
        (6_000, 6_000, 100),
        (60_000, 6_000, 100),  # watched again and again
        (9_000, None, 50),  # of unknown length: 18 s are the whole
        (9_000, 0, 50),
        (1, 18_000, 0),
    ],
)
def test_a_watch_weighs_its_share_of_the_whole_or_of_18_seconds(watched_ms, duration_ms, weight):
    assert history.watch_weight(watched_ms, duration_ms) == weight


def test_a_watch_of_nothing_is_seen_and_counted_but_no_interest():
    ana = after(watched("ana", "v1", watched_ms=0))
    assert ana.watches == ()
    assert seen_codes(ana).tolist() == [video_code("v1")]
    assert ana.counts == {"watch": 1}


def test_each_kind_of_event_leaves_its_mark():
    ana = after(*ONE_OF_EACH)
    assert ids(ana.watches) == ["v1"]
    assert ids(ana.skips) == ["v2"]
    assert ids(ana.likes) == ["v3", "v4", "v5", "v6", "v8"]
    assert ids(ana.follows) == ["v7"]
    assert [(hidden.video_id, hidden.scope) for hidden in ana.hides] == [("v9", "tag")]
    assert set(ana.counts.values()) == {1}
    assert len(ana.counts) == ana.version == len(ONE_OF_EACH)


def test_an_impression_marks_seen_and_counts_and_nothing_more():
    before, ana = after(liked("ana", "v1")), after(liked("ana", "v1"), shown("ana", "v2"))
    assert (ana.watches, ana.likes, ana.skips, ana.hides) == (before.watches, before.likes, before.skips, before.hides)
    assert seen_codes(ana).tolist() == [video_code("v1"), video_code("v2")]


def test_a_search_names_no_video_and_marks_none_seen():
    assert after(searched("ana", "cats")).seen == b""


@pytest.mark.parametrize(
    ("value", "likes", "skips"),
    [(0.75, ["v1"], []), (0.74, [], []), (0.36, [], []), (0.35, [], ["v1"]), (0.0, [], ["v1"])],
)
def test_a_high_rating_counts_like_a_like_and_a_low_one_like_a_skip(value, likes, skips):
    ana = after(rated("ana", "v1", value=value))
    assert (ids(ana.likes), ids(ana.skips)) == (likes, skips)


def test_the_newest_watch_of_a_video_counts_and_it_is_listed_once():
    ana = after(
        watched("ana", "v1", minute(1)),
        watched("ana", "v2", minute(2)),
        watched("ana", "v1", minute(3), watched_ms=5_000),
    )
    assert [(mark.video_id, mark.at_ms) for mark in ana.watches] == [("v2", minute(2)), ("v1", minute(3))]
    assert ana.watches[-1].weight < 100


def test_an_older_watch_that_comes_later_takes_its_place_by_time():
    ana = after(watched("ana", "v2", minute(2)), watched("ana", "v1", minute(1)))
    assert ids(ana.watches) == ["v1", "v2"]
    assert ana.newest_ms == minute(2)
    assert ana.origin is not None and ana.origin.at_ms == minute(1)  # by arrival


def test_each_scope_of_a_hide_is_remembered():
    ana = after(hid("ana", "v1", minute(1)), hid("ana", "v1", minute(2), scope="creator"), hid("ana", "v1", minute(3)))
    assert [(one.scope, one.at_ms) for one in ana.hides] == [("creator", minute(2)), ("video", minute(3))]


def test_of_two_signs_at_one_moment_the_heavier_stays_whichever_came_first():
    like, share = liked("ana", "v1"), shared("ana", "v1")
    assert after(like, share).likes == after(share, like).likes == (history.Interaction("v1", NOON, history.SHARED),)


def test_an_older_hide_that_comes_later_does_not_replace_the_newer():
    first, second = hid("ana", "v1", minute(1)), hid("ana", "v1", minute(2))
    assert after(first, second).hides == after(second, first).hides == (history.HiddenItem("v1", minute(2), "video"),)


def test_lists_forget_the_oldest_beyond_their_places():
    many = [f"v{number:03}" for number in range(40)]
    stories_by_list = {"watches": watched, "likes": liked, "skips": skipped, "hides": hid, "follows": followed}
    places = {"watches": 32, "likes": 16, "skips": 32, "hides": 16, "follows": 16}
    for name, story in stories_by_list.items():
        ana = after(*(story("ana", video_id, minute(place)) for place, video_id in enumerate(many)))
        assert ids(getattr(ana, name)) == many[-places[name] :]


def test_the_last_512_distinct_seen_videos_are_known_and_older_ones_may_come_back():
    ana = after(*(shown("ana", f"v{number}") for number in range(SEEN + 10)))
    codes = seen_codes(ana).tolist()
    assert codes == [video_code(f"v{number}") for number in range(10, SEEN + 10)]


def test_a_video_seen_again_moves_to_the_newest_place():
    ana = after(shown("ana", "v1"), shown("ana", "v2"), shown("ana", "v1"))
    assert seen_codes(ana).tolist() == [video_code("v2"), video_code("v1")]


def test_a_seen_hash_across_two_entries_is_no_match():
    first, second = video_code("v1").to_bytes(4, "little"), video_code("v2").to_bytes(4, "little")
    state = msgspec.structs.replace(EMPTY, seen=b"\0\0" + first + second + b"\0\0")  # v1 lies at byte 2
    assert len(after(shown("ana", "v1"), state=state).seen) == len(state.seen) + SEEN_BYTES


def test_a_video_watched_again_long_after_it_left_the_seen_is_still_listed_once():
    state = after(watched("ana", "v-first", minute(0)), *(shown("ana", f"v{number}") for number in range(SEEN + 5)))
    assert video_code("v-first") not in seen_codes(state)
    ana = after(watched("ana", "v-first", minute(1)), state=state)
    assert [(mark.video_id, mark.at_ms) for mark in ana.watches] == [("v-first", minute(1))]
