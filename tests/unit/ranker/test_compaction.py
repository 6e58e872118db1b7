"""Retired rows are given back, and nobody sees a difference; what is keyed by names from outside has a bound."""

import numpy as np
import pytest

from ranker.catalogue import compaction
from ranker.catalogue.catalogue import GROWTH, Catalogue
from ranker.catalogue.compaction import compact, forget_popularity
from ranker.catalogue.popularity import MOST_HELD, TrendCounts, merge
from ranker.pipeline.types import Query
from tests.support.catalogues import LATER, catalogue_of, digest, home_feed, kitchen_and_garden
from tests.support.events import NOON, after, encoded, minute, watched, withdrawn


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacted with ten retired rows."""
    monkeypatch.setattr(compaction, "LEAST", 10)


def uploaded_again(catalogue: Catalogue, times: int) -> None:
    for number in range(times):
        catalogue.apply([encoded("cook-00", NOON + number + 1, creator_id="by-cook-0")])


async def test_slates_are_the_same_before_and_after(soon: None) -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-07", "plant-03"])
    catalogue.apply([withdrawn(f"plant-{n:02}", NOON + 1) for n in range(20)])
    uploaded_again(catalogue, 40)
    feed, cook = home_feed(catalogue), after(*(watched("ana", f"cook-{n:02}", minute(n)) for n in range(5)))
    query = Query("ana", cook.version, LATER, cook, 0)
    (before,) = await feed.recommend([query])
    assert compact(catalogue)
    assert catalogue.size == len(catalogue.row_of) == 100
    (since,) = await feed.recommend([query])
    assert digest(since) == digest(before)
    catalogue.apply([withdrawn("cook-01", NOON + 2), encoded("cook-99", NOON + 2)])
    assert catalogue.ids[catalogue.row_of["cook-99"]] == "cook-99"


def test_a_catalogue_of_re_uploads_stays_as_large_as_its_videos() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    sizes = []
    for number in range(3 * GROWTH):
        one = encoded(f"cook-{number % 60:02}", NOON + number + 1, creator_id=f"by-{number}", category=f"of-{number}")
        catalogue.apply([one])
        compact(catalogue)
        sizes.append(len(catalogue.vectors))
    assert max(sizes) <= 2 * GROWTH
    assert len(catalogue.ids) == catalogue.size < 120 + GROWTH
    assert max(len(catalogue.creators), len(catalogue.categories)) <= catalogue.size + 1
    last = catalogue.row_of[one.video_id]
    assert catalogue.creators[f"by-{number}"] == catalogue.creator[last]
    assert catalogue.categories[f"of-{number}"] == catalogue.category[last]
    assert sum(map(len, catalogue.by_creator.values())) == catalogue.size
    assert [catalogue.ids[row] for row in catalogue.by_id] == sorted(catalogue.ids)
    assert (catalogue.order[catalogue.by_id] == np.arange(catalogue.size)).all()


def test_few_retired_rows_stay() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    uploaded_again(catalogue, 50)
    assert not compact(catalogue)


def test_a_withdrawal_is_remembered_for_as_long_as_an_older_upload_may_arrive(soon: None) -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    catalogue.apply([withdrawn("cook-00", NOON + 10), withdrawn("cook-01", NOON + 20)])
    uploaded_again(catalogue, 60)
    catalogue.apply([withdrawn("cook-00", NOON + 70)])
    assert compact(catalogue, withdrawn_since_ms=NOON + 30)
    assert catalogue.withdrawn_ms == {"cook-00": NOON + 70}
    assert not catalogue.apply([encoded("cook-00", NOON + 65)])


def test_popularity_of_names_that_were_never_uploaded_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "REMEMBERED", 100)
    catalogue, part = catalogue_of(*kitchen_and_garden()), TrendCounts()
    for number in range(1000):
        part.counts = {}
        part.add(f"unheard-of-{number}", LATER)
        part.add("cook-00", LATER)
        catalogue.advance(LATER, merge([part]))
        forget_popularity(catalogue, [part])
    assert len(catalogue.popularity_by_id) <= 100 + 120 + 3
    assert "cook-00" in catalogue.popularity_by_id


def test_counts_of_a_partition_are_bounded_however_many_videos_are_named() -> None:
    counts = TrendCounts()
    for number in range(20_000):
        counts.add(f"once-{number}", NOON)
        counts.add("often", NOON)
        if number % 50 == 0:
            record = counts.record(NOON // 1000, limit=20)
            assert len(counts.touched) == 0
    assert len(counts.counts) <= MOST_HELD * 20 + 51
    assert record.counts["often"][2] > 19_000
