"""The shared lists, and the counts of earlier ticks: kept from tick to tick, they are what a new look would give."""

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import Entry
from ranker.catalogue.popularity import HALF_LIFE_S, PERIOD_S, Popularity, TrendCounts, merge
from ranker.catalogue.top_lists import POOL_LENGTH, TOP_LENGTH, Pool, TopLists

VIDEOS = 3 * POOL_LENGTH
START_S = 40 * PERIOD_S


def catalogue_of(videos: int = VIDEOS) -> Catalogue:
    """Videos of which some come to be known late: they are uploaded in the future."""
    catalogue = Catalogue()
    catalogue.add(Entry(f"v{n * 7919 % videos:04d}", (START_S + 9 * n - 4 * videos) * 1000) for n in range(videos))
    return catalogue


def newly_made(catalogue: Catalogue) -> TopLists:
    """The lists by a look at the whole catalogue."""
    rows = np.flatnonzero(catalogue.is_active).astype(np.int32)
    return TopLists(
        catalogue.best(rows[catalogue.trend[rows] > 0], catalogue.trend, TOP_LENGTH),
        catalogue.best(rows[catalogue.at_ms[rows] <= catalogue.now_ms], catalogue.at_ms, TOP_LENGTH),
        catalogue.best(rows[catalogue.total_popularity[rows] > 0], catalogue.total_popularity, TOP_LENGTH),
    )


@pytest.mark.parametrize("step_s", [1, HALF_LIFE_S, PERIOD_S // 3])
@pytest.mark.parametrize("skew", [1, 6])
def test_lists_kept_from_tick_to_tick_are_those_of_a_new_look(step_s: int, skew: int) -> None:
    catalogue, counts, draw = catalogue_of(), TrendCounts(), np.random.default_rng(7)
    for tick in range(START_S, START_S + 700 * step_s, step_s):
        met = {f"v{int(VIDEOS * draw.random() ** skew):04d}" for _ in range(draw.integers(0, 12))}
        for video_id in sorted(met):
            counts.add(video_id, tick * 1000)
        is_new_period = catalogue.period != counts.period
        catalogue.advance(tick * 1000, merge([counts], None if is_new_period else met))
        found, wanted = catalogue.tops, newly_made(catalogue)
        assert found.trending.tolist() == wanted.trending.tolist()
        assert found.newest.tolist() == wanted.newest.tolist()
        assert found.popular.tolist() == wanted.popular.tolist()


def test_counts_may_fall_as_they_do_where_a_partition_names_a_video_no_more() -> None:
    catalogue, draw = catalogue_of(), np.random.default_rng(5)
    ids = [f"v{n:04d}" for n in range(VIDEOS)]
    counts = dict.fromkeys(ids, 1)
    for tick in range(START_S, START_S + 300):
        changed = [ids[int(VIDEOS * draw.random() ** 4)] for _ in range(4)]
        for video_id in changed:
            counts[video_id] = int(draw.integers(0, 50))
        of_changed = np.array([counts[video_id] for video_id in changed])
        catalogue.advance(tick * 1000, Popularity(tick, 40, changed, 256.0 * of_changed, of_changed))
        found, wanted = catalogue.tops, newly_made(catalogue)
        assert found.trending.tolist() == wanted.trending.tolist()
        assert found.popular.tolist() == wanted.popular.tolist()


def test_a_video_that_comes_between_two_ticks_is_in_no_list_of_trends_before_the_next() -> None:
    catalogue = catalogue_of(10)
    counted = Popularity(START_S, 40, ["new", "v0003"], np.array([9e3, 256.0]), np.array([7, 1]))
    catalogue.advance(START_S * 1000, counted)
    catalogue.add([Entry("new", START_S * 1000)])
    assert [catalogue.ids[row] for row in catalogue.tops.trending] == ["v0003"]
    assert [catalogue.ids[row] for row in catalogue.tops.popular] == ["new", "v0003"]
    catalogue.advance((START_S + 1) * 1000)
    assert [catalogue.ids[row] for row in catalogue.tops.trending] == ["new", "v0003"]


def test_trends_that_float32_does_not_tell_apart_are_listed_by_id_though_a_pool_has_the_highest_alone() -> None:
    catalogue = catalogue_of()
    ids = [f"v{n:04d}" for n in range(VIDEOS)]
    units = 1e9 + np.arange(VIDEOS) / 100
    for tick in (START_S, START_S + 1):  # lists are made from pools from the second tick on
        catalogue.advance(tick * 1000, Popularity(tick, 40, ids, units, np.ones(VIDEOS, np.int64)))
        assert [catalogue.ids[row] for row in catalogue.tops.trending] == ids[:TOP_LENGTH]


def test_a_pool_grows_by_what_reaches_it_and_knows_the_highest_outside() -> None:
    counts = np.arange(2.0 * POOL_LENGTH)
    pool = Pool(np.arange(len(counts), dtype=np.int32), counts)
    assert (len(pool), pool.below) == (POOL_LENGTH, POOL_LENGTH - 1)
    pool.count(3, 9.0)
    pool.count(4, POOL_LENGTH - 0.5)
    pool.count(5, 2.0 * POOL_LENGTH)
    assert (len(pool), pool.below) == (POOL_LENGTH + 1, POOL_LENGTH - 0.5)
    assert 5 in pool.rows


def test_counts_of_earlier_ticks_are_those_of_their_ticks() -> None:
    catalogue, counts, draw = catalogue_of(40), TrendCounts(), np.random.default_rng(3)
    noted: list[tuple[int, list[float], list[float]]] = []
    for tick in range(START_S, START_S + 50):
        met = {f"v{draw.integers(0, 40):04d}" for _ in range(3)}
        for video_id in sorted(met):
            counts.add(video_id, tick * 1000)
        catalogue.advance(tick * 1000, merge([counts], None if tick == START_S else met))
        if tick % 3:  # the others have no event
            moment = catalogue.moments.keep(catalogue)
            noted.append((moment, catalogue.trend[:40].tolist(), catalogue.total_popularity[:40].tolist()))
    rows = np.arange(40, dtype=np.int32)
    for moment, trend, total in noted:
        found = catalogue.moments.counts(rows, np.full(40, moment), catalogue)
        assert (found[0].tolist(), found[1].tolist()) == (trend, total)
    assert len(noted) == len(catalogue.moments.tops)
