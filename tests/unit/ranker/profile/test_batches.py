"""Batches of events: what is refused as a repeat or as late, and whose profile changes."""

import pytest

from ranker.profile.codec import pack, unpack
from ranker.profile.fold import fold_batch
from ranker.profile.history import POSITIVE, weight_of
from schemas.messages.fields import DAY_MS
from tests.support.events import ONE_OF_EACH, arrivals, fold_all, folded, liked, minute, shared, shown, watched

# Repeats and late events


def test_the_same_event_id_twice_changes_nothing():
    once = folded(watched("ana", "v1", event_id="e-1"))
    again = fold_all(once.changed, arrivals([watched("ana", "v1", event_id="e-1")], first=1), DAY_MS)
    assert (again.changed, again.applied, again.repeats) == ({}, [], 1)


def test_the_same_offset_twice_changes_nothing_though_the_event_has_no_id():
    batch = arrivals([watched("ana", "v1"), liked("ana", "v1")])
    once = fold_all({}, batch, DAY_MS)
    again = fold_all(once.changed, batch, DAY_MS)
    assert (again.changed, again.repeats) == ({}, 2)


def test_a_repeat_is_known_by_its_event_id_on_another_partition():
    event = liked("ana", "v1", event_id="e-1")
    both = [*arrivals([event], partition=0), *arrivals([event], partition=3, first=900)]
    result = fold_all({}, both, DAY_MS)
    assert result.changed["ana"].counts == {"like": 1}
    assert result.repeats == 1


def test_events_without_an_id_at_the_same_offset_of_two_partitions_are_two():
    both = [*arrivals([liked("ana", "v1")], partition=0), *arrivals([liked("ana", "v2")], partition=1)]
    assert fold_all({}, both, DAY_MS).changed["ana"].applied == {0: 0, 1: 0}


def test_the_same_event_id_of_two_people_is_two_events():
    assert list(folded(liked("ana", "v1", event_id="e-1"), liked("ben", "v1", event_id="e-1")).changed) == [
        "ana",
        "ben",
    ]


def test_an_event_older_than_the_newest_by_more_than_the_bound_is_refused():
    result = folded(watched("ana", "v1", minute(60)), liked("ana", "v2", minute(0)), late_ms=60 * 60_000 - 1)
    assert [arrival.event.video_id for arrival in result.late] == ["v2"]
    assert result.changed["ana"].likes == ()
    assert folded(watched("ana", "v1", minute(60)), liked("ana", "v2", minute(0)), late_ms=60 * 60_000).late == []


def test_late_is_measured_against_the_persons_own_newest_event():
    result = folded(watched("ben", "v1", minute(60)), liked("ana", "v2", minute(0)), late_ms=1)
    assert result.late == []


def test_a_repeat_is_a_repeat_even_when_it_is_late_as_well():
    batch = arrivals([liked("ana", "v1", minute(0)), liked("ana", "v2", minute(100))])
    result = fold_all({}, [*batch, batch[0]], late_ms=200 * 60_000)
    assert fold_all(result.changed, batch[:1], late_ms=1).repeats == 1


# The batch


def test_a_batch_gives_the_newest_state_per_person_in_order_of_first_change():
    result = folded(liked("ben", "v1"), liked("ana", "v1"), liked("ben", "v2"))
    assert [(user_id, profile.version) for user_id, profile in result.changed.items()] == [("ben", 2), ("ana", 1)]
    assert [one.offset for one in result.applied] == [0, 1, 2]


def test_a_batch_leaves_the_profiles_it_was_given_alone():
    users = folded(liked("ana", "v1")).changed
    copy = {user_id: unpack(pack(profile)) for user_id, profile in users.items()}
    fold_all(users, arrivals([liked("ana", "v2"), liked("ben", "v2")], first=1), DAY_MS)
    assert users == copy


def test_a_batch_is_packed_person_by_person():
    result = fold_batch({}, arrivals([liked("ben", "v1"), liked("ana", "v1"), liked("ben", "v2")]), DAY_MS)
    assert {user_id: unpack(row).version for user_id, row in result.changed.items()} == {"ben": 2, "ana": 1}
    assert list(result.changed) == ["ben", "ana"]
    assert [arrival.offset for arrival in result.first_positives] == [0, 2, 1]
    assert (result.reached, result.newest_ms) == ({0: 2}, minute(0))


def test_a_batch_tells_what_it_refused_and_changes_nobody_by_it():
    batch = arrivals([watched("ana", "v1", minute(60)), liked("ana", "v2", minute(0))])
    once = fold_batch({}, batch, late_ms=1)
    people = {user_id: unpack(row) for user_id, row in once.changed.items()}
    again = fold_batch(people, batch, late_ms=1)
    assert ([late.offset for late in once.late], once.repeats, once.reached) == ([1], [], {0: 0})
    assert ([late.offset for late in again.late], again.repeats, again.changed) == ([1], [batch[0]], {})
    assert (again.first_positives, again.reached, again.newest_ms) == ([], {}, 0)


def test_a_person_speaks_for_a_video_for_the_first_time_once():
    result = folded(
        shown("ana", "v1", minute(0)),
        watched("ana", "v1", minute(1), watched_ms=1_000),
        watched("ana", "v1", minute(2)),
        liked("ana", "v1", minute(2)),
        shared("ana", "v1", minute(3)),
        liked("ben", "v1", minute(3)),
    )
    assert [one.offset for one in result.batch.first_positives] == [2, 5]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.__struct_config__.tag)
def test_positives_are_what_the_contract_calls_so(event):
    negatives = {"skip", "impression", "hide", "search"}
    assert (weight_of(event) >= POSITIVE) == (event.__struct_config__.tag not in negatives)
