"""Laws of the fold: it is pure, and neither order nor the cut into batches matters."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.catalogue.popularity import TrendCounts
from ranker.profile import history
from ranker.profile.codec import pack, unpack
from ranker.profile.counters import NOTHING
from ranker.profile.fold import Arrival, fold, fold_batch, verdict
from ranker.profile.history import POSITIVE, weight_of
from ranker.profile.model import EMPTY, Origin, Profile, seen_codes
from schemas.messages.fields import DAY_MS
from tests.support.events import (
    NOON,
    ONE_OF_EACH,
    after,
    arrivals,
    fold_all,
    folded,
    followed,
    hid,
    liked,
    minute,
    rated,
    searched,
    shared,
    skipped,
    watched,
)

HERE = Origin(None, "feedback", 0, 7, NOON)
people = st.sampled_from(["ana", "ben"])
videos = st.sampled_from([f"v{number}" for number in range(50)])
times = st.integers(0, 40).map(minute)  # coarse, so that ties are common
drawn = st.one_of(
    st.builds(lambda u, v, t, ms: watched(u, v, t, watched_ms=ms), people, videos, times, st.integers(0, 25_000)),
    st.builds(lambda u, v, t: skipped(u, v, t), people, videos, times),
    st.builds(lambda u, v, t: liked(u, v, t), people, videos, times),
    st.builds(lambda u, v, t: shared(u, v, t), people, videos, times),
    st.builds(lambda u, v, t: followed(u, v, t), people, videos, times),
    st.builds(
        lambda u, v, t, x: rated(u, v, t, value=x), people, videos, times, st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])
    ),
    st.builds(
        lambda u, v, t, s: hid(u, v, t, scope=s), people, videos, times, st.sampled_from(["video", "creator", "tag"])
    ),
    st.builds(lambda u, t: searched(u, "cats", t), people, times),
)


def without_arrival(profile: Profile) -> Profile:
    """A profile without what follows the order of arrival; as a set, the seen videos do not."""
    codes = np.sort(seen_codes(profile)).tobytes()
    return msgspec.structs.replace(profile, origin=None, applied={}, recent_ids=b"", seen=codes, counters=NOTHING)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_order_of_arrival_gives_the_same_state(data):
    events = data.draw(st.lists(drawn, max_size=120))
    shuffled = data.draw(st.permutations(events))
    one, other = folded(*events).changed, folded(*shuffled).changed
    assert {user_id: without_arrival(profile) for user_id, profile in one.items()} == {
        user_id: without_arrival(profile) for user_id, profile in other.items()
    }


@pytest.mark.parametrize("videos_at_hand", [20, 60, 700])  # 700: more than are remembered as seen
def test_lists_hold_what_somebody_who_forgets_nothing_would_list(videos_at_hand):
    chance = np.random.default_rng(7)
    draws = zip(chance.integers(videos_at_hand, size=2_000), chance.integers(1_000, size=2_000), strict=True)
    events = [watched("ana", f"v{video}", minute(int(when)), watched_ms=9_000) for video, when in draws]
    newest: dict[str, int] = {}
    for step, event in enumerate(events):
        newest[event.video_id] = max(event.at_ms, newest.get(event.video_id, 0))
        if step % 500 == 499:
            ana = after(*events[: step + 1])
            expected = sorted((at_ms, video_id) for video_id, at_ms in newest.items())[-history.WATCHES :]
            assert [(mark.at_ms, mark.video_id) for mark in ana.watches] == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(drawn, max_size=60), st.integers(1, 60))
def test_any_cut_into_batches_gives_the_same_bytes(events, size):
    users: dict[str, Profile] = {}
    batch = arrivals(events)
    for start in range(0, len(batch), size):
        users |= fold_all(users, batch[start : start + size], DAY_MS).changed
    whole = fold_all({}, batch, DAY_MS).changed
    assert {user_id: pack(state) for user_id, state in users.items()} == {u: pack(state) for u, state in whole.items()}


def speaks_for(state: Profile, video_id: str) -> bool:
    strong = [one.video_id for one in state.watches if one.weight >= POSITIVE]
    return video_id in {*strong, *(one.video_id for one in (*state.likes, *state.follows))}


def one_by_one(users: dict[str, Profile], batch: list[Arrival], late_ms: int, counts: TrendCounts) -> tuple:
    """What a batch does when each event is asked for its verdict and folded, in the order of arrival."""
    changed, late, repeats, newest_ms = {}, [], 0, 0
    for one in batch:
        event, state = one.event, changed.get(one.event.user_id) or users.get(one.event.user_id, EMPTY)
        match verdict(state, one, late_ms):
            case "late":
                late.append(one.offset)
            case "repeat":
                repeats += 1
            case "new":
                if weight_of(event) >= POSITIVE and not speaks_for(state, event.video_id):
                    counts.add(event.video_id, event.at_ms)
                origin = Origin(event.event_id, one.topic, one.partition, one.offset, event.at_ms)
                changed[event.user_id], newest_ms = fold(state, event, origin), max(newest_ms, event.at_ms)
                counts.applied[one.partition] = one.offset
    return changed, sorted(late), repeats, newest_ms


@settings(max_examples=100, deadline=None)
@given(st.lists(drawn, max_size=60), st.integers(1, 60), st.integers(0, 40))
def test_folding_person_by_person_is_folding_one_event_after_the_other(events, size, late_minutes):
    late_ms, batch = late_minutes * 60_000, arrivals(events)
    batch += batch[::3]  # again
    users, rows, counts, packed_counts = {}, {}, TrendCounts(), TrendCounts()
    for start in range(0, len(batch), size):
        some = batch[start : start + size]
        changed, late, repeats, newest_ms = one_by_one(users, some, late_ms, counts)
        found = fold_batch({u: unpack(row) for u, row in rows.items()}, some, late_ms)
        users, rows = users | changed, rows | found.changed
        packed_counts.count(found)
        assert (len(found.repeats), found.newest_ms) == (repeats, newest_ms)
        assert sorted(one.offset for one in found.late) == late
    assert rows == {user_id: pack(state) for user_id, state in users.items()}
    assert (packed_counts.counts, packed_counts.applied) == (counts.counts, counts.applied)


@settings(max_examples=50, deadline=None)
@given(st.lists(drawn, min_size=1, max_size=60), st.data())
def test_any_part_read_again_changes_nothing(events, data):
    batch = arrivals(events)
    again = data.draw(st.lists(st.sampled_from(batch), max_size=20))
    once = fold_all({}, batch, DAY_MS)
    assert fold_all({}, [*batch, *again], DAY_MS).changed == once.changed


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.__struct_config__.tag)
def test_fold_is_pure(event):
    state = after(*ONE_OF_EACH)
    before = pack(state)
    assert pack(fold(state, event, HERE)) == pack(fold(state, event, HERE))
    assert pack(state) == before
    assert Profile(0, 0, None, {}, (), (), (), (), (), b"", b"", {}) == EMPTY


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.__struct_config__.tag)
def test_every_event_raises_the_version_by_one(event):
    assert fold(EMPTY, event, HERE).version == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(drawn, max_size=60))
def test_a_profile_survives_packing(events):
    for profile in folded(*events).changed.values():
        assert unpack(pack(profile)) == profile
