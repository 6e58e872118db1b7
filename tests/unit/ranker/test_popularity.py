"""Trends: people count once a video, old ones less, and partitions add up to the very same numbers."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.catalogue.popularity import BEFORE, HALF_LIFE_S, PERIOD_S, STEP, TrendCounts, increment, merge
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import encode
from schemas.messages.trends import decode_trends
from tests.support.events import NOON, arrivals, fold_all, folded, liked, minute, skipped, watched

START_S = 4_000 * PERIOD_S  # a period's first second, in 2013


def counted(*people: tuple[str, int], partition: int = 0) -> TrendCounts:
    """Counts after one more person each for (video, second)."""
    counts = TrendCounts(partition)
    for video_id, second in people:
        counts.add(video_id, second * 1000)
    return counts


def table(*parts):
    """Everything that a merge says, as plain values: bits, not roundings."""
    popular = merge(parts)
    return popular.video_ids, popular.trend.tolist(), popular.total_popularity.tolist(), popular.period


def test_a_person_now_counts_twice_one_a_half_life_ago():
    popular = merge([counted(("old", START_S), ("new", START_S + HALF_LIFE_S))])
    trend = dict(zip(popular.video_ids, popular.trend.tolist(), strict=True))
    assert trend["new"] == 2 * trend["old"]


def test_people_are_worth_one_now_and_half_a_half_life_later():
    popular = merge([counted(("v1", START_S), ("v1", START_S))])
    assert popular.people(START_S).tolist() == [2.0]
    assert popular.people(START_S + HALF_LIFE_S).tolist() == [1.0]


def test_decay_goes_on_over_the_end_of_a_period():
    last = START_S + PERIOD_S - HALF_LIFE_S
    popular = merge([counted(("v1", last), ("v2", last + HALF_LIFE_S))])
    assert popular.period == START_S // PERIOD_S + 1
    assert popular.trend.tolist() == [STEP / 2, STEP]
    assert popular.people(last + HALF_LIFE_S).tolist() == [0.5, 1.0]


def test_what_is_two_periods_old_counts_as_ever_alone():
    counts = counted(("v1", START_S), ("v2", START_S + 2 * PERIOD_S))
    assert counts.counts["v1"] == (0, 0, 1)
    assert merge([counts]).total_popularity.tolist() == [1, 1]


def test_an_event_from_before_the_last_period_moves_no_trend():
    assert counted(("v2", START_S + 2 * PERIOD_S), ("v1", START_S)).counts["v1"] == (0, 0, 1)


def test_a_person_counts_once_per_video():
    counts = TrendCounts()
    counts.count(folded(watched("ana", "v1"), liked("ana", "v1"), liked("ben", "v1"), skipped("cem", "v1")).batch)
    assert merge([counts]).total_popularity.tolist() == [2]


def test_a_short_look_is_no_trend_and_a_later_finish_is():
    counts = TrendCounts()
    counts.count(folded(watched("ana", "v1", watched_ms=2_000), watched("ana", "v1", minute(1))).batch)
    assert merge([counts]).total_popularity.tolist() == [1]


def test_counts_know_the_offsets_that_are_in_them():
    counts = TrendCounts()
    counts.count(folded(liked("ana", "v1"), skipped("ana", "v2")).batch)
    assert counts.record(tick=NOON // 1000, limit=10).applied == {0: 1}


def test_what_a_worker_that_died_had_counted_counts_once():
    batch = arrivals([liked("ana", "v1"), liked("ben", "v1"), skipped("ana", "v2")])
    counts = TrendCounts()
    counts.count(fold_all({}, batch[:2], DAY_MS).batch)
    counts.count(fold_all({}, batch, DAY_MS).batch)  # the profiles were lost, the counts were not
    assert counts.counts["v1"][2] == 2
    assert counts.applied == {0: 2}


def test_one_increment_is_a_whole_number_that_doubles_per_half_life():
    assert [increment(START_S + half_lives * HALF_LIFE_S) for half_lives in range(4)] == [256, 512, 1024, 2048]
    assert increment(START_S + PERIOD_S - 1) == pytest.approx(STEP / BEFORE, rel=1e-4)
    assert all(isinstance(increment(START_S + second), int) for second in range(0, PERIOD_S, 9_973))


# Laws

seconds = st.integers(START_S - PERIOD_S, START_S + 2 * PERIOD_S)
crowd = st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3", "v4"]), seconds), max_size=80)


@settings(max_examples=150, deadline=None)
@given(crowd, st.integers(2, 5), st.randoms(use_true_random=False))
def test_any_split_into_partitions_gives_exactly_the_same_numbers(people, partitions, chance):
    parts = [TrendCounts(number) for number in range(partitions)]
    for video_id, second in people:
        chance.choice(parts).add(video_id, second * 1000)
    records = [part.record(START_S, limit=100) for part in parts]
    assert table(*parts) == table(*records) == table(counted(*people))


@settings(max_examples=100, deadline=None)
@given(crowd, st.data())
def test_any_order_of_arrival_gives_exactly_the_same_numbers(people, data):
    assert table(counted(*people)) == table(counted(*data.draw(st.permutations(people))))


def test_people_in_four_partitions_make_the_trends_of_one():
    events = [liked(f"u{number % 50}", f"v{number % 7}", minute(number)) for number in range(1_000)]
    whole, parts = TrendCounts(), [TrendCounts(number) for number in range(4)]
    whole.count(fold_all({}, arrivals(events), DAY_MS).batch)
    for part in parts:
        mine = [event for event in events if int(event.user_id[1:]) % 4 == part.partition]
        part.count(fold_all({}, arrivals(mine, partition=part.partition), DAY_MS).batch)
    assert table(*parts) == table(whole)


@settings(max_examples=50, deadline=None)
@given(crowd)
def test_counts_survive_their_record(people):
    counts = counted(*people, partition=3)
    again = TrendCounts()
    again.restore(decode_trends(encode(counts.record(START_S, limit=100))))
    assert (again.partition, again.period, again.counts) == (3, counts.period, counts.counts)


# Records


def test_a_record_keeps_the_highest_trends_then_most_people_then_the_first_id():
    counts = counted(("old", START_S - 5 * PERIOD_S), ("b", START_S), ("a", START_S), ("hot", START_S + HALF_LIFE_S))
    assert list(counts.record(START_S, limit=4).counts) == ["a", "b", "hot", "old"]
    assert list(counts.record(START_S, limit=2).counts) == ["a", "hot"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 60), seconds), max_size=30), min_size=2, max_size=8), st.booleans())
def test_a_record_after_others_names_the_same_videos_as_a_first_one(rounds, is_restored):
    """What is cut is found from the record before: so quick that a second's first events need not wait for it."""
    limit, counts = 5, TrendCounts()
    for number, people in enumerate(rounds):
        for video, second in people:
            counts.add(f"v{video}", second * 1000)
        fresh = TrendCounts()
        fresh.period, fresh.counts = counts.period, dict(counts.counts)
        if is_restored and number == 1:
            counts.restore(decode_trends(encode(fresh.record(START_S, limit=1000))))
        assert counts.record(START_S, limit).counts == fresh.record(START_S, limit).counts
        assert counts.counts == fresh.counts


def test_a_record_is_a_copy():
    counts = counted(("v1", START_S))
    record = counts.record(START_S, limit=10)
    counts.add("v1", START_S * 1000)
    assert record.counts == {"v1": (STEP, 0, 1)}


def test_nothing_counted_is_nothing_popular():
    popular = merge([])
    assert (popular.video_ids, popular.trend.dtype, popular.total_popularity.dtype) == ([], np.float64, np.int64)
    assert merge([TrendCounts()]).people(START_S).tolist() == []


def test_the_newest_tick_of_the_records_is_the_tick():
    records = [counted(("v1", START_S)).record(tick, limit=1) for tick in (START_S + 5, START_S + 9)]
    assert merge(records).tick == START_S + 9


def test_a_wrong_shape_of_counts_does_not_decode():
    with pytest.raises(msgspec.ValidationError):
        decode_trends(b'{"partition":0,"tick":1,"period":0,"counts":{"v1":[1,2]}}')
