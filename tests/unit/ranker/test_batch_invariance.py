"""The other queries of a batch, cached neighbours and the catalogue's history never change a bit of a slate."""

import asyncio
import random

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.kernel import switch
from ranker.pipeline.types import Query
from schemas.messages.feedback import Feedback
from schemas.messages.videos import CatalogueRecord
from tests.support.catalogues import HOUR_MS, LATER, catalogue_of, digest, home_feed, ids, kitchen_and_garden
from tests.support.events import (
    NOON,
    arrivals,
    encoded,
    fold_all,
    followed,
    hid,
    liked,
    minute,
    shown,
    skipped,
    unit,
    watched,
    withdrawn,
)


def crowd(count: int) -> tuple[Catalogue, list[Query]]:
    """People with all kinds of histories over the kitchen and the garden."""
    rng = random.Random(0)
    catalogue = catalogue_of(*kitchen_and_garden(150), watched_by_many=["cook-11", "plant-12", "plant-140"])
    makers = (watched, watched, watched, liked, skipped, followed, hid, shown)
    events: list[Feedback] = []
    for i in range(count * 12):
        name = f"{rng.choice(('cook', 'plant'))}-{rng.randrange(150):02}"
        events.append(rng.choice(makers)(f"u{rng.randrange(count):02}", name, minute(i / 60)))
    people = fold_all({}, arrivals(events), late_ms=86_400_000).changed
    return catalogue, [Query(user, state.version, LATER, state) for user, state in people.items()]


async def test_neither_the_batch_nor_cached_neighbours_change_a_bit() -> None:
    catalogue, queries = crowd(48)
    pipeline = home_feed(catalogue)
    cold = [digest((await home_feed(catalogue).recommend([query]))[0]) for query in queries]
    for batch in (1, 7, 32, 48):
        warm: list[bytes] = []
        for start in range(0, len(queries), batch):
            warm += map(digest, await pipeline.recommend(queries[start : start + batch]))
        assert warm == cold
    backwards = await pipeline.recommend(queries[::-1])
    assert [digest(slate) for slate in backwards][::-1] == cold


@pytest.mark.skipif(not switch.IS_BUILT, reason="the kernel is not compiled here")
@pytest.mark.parametrize("batch", [1, 7, 24, 64])
async def test_the_compiled_kernel_changes_no_bit(batch: int) -> None:
    catalogue, queries = crowd(64)
    pipeline, found = home_feed(catalogue), []
    for is_used in (True, False):
        with switch.switched(is_used):
            parts = [await pipeline.recommend(queries[at : at + batch]) for at in range(0, len(queries), batch)]
        found.append([digest(slate) for part in parts for slate in part])
    assert found[0] == found[1]


async def test_a_catalogue_that_grew_answers_like_one_that_was_rebuilt_from_its_records() -> None:
    _, queries = crowd(20)
    records = kitchen_and_garden(150)
    grown = catalogue_of(*records[:200])
    pipeline = home_feed(grown)
    await pipeline.recommend(queries)
    changes: list[CatalogueRecord] = [
        *records[200:],
        withdrawn("cook-20", LATER),
        encoded("cook-21", LATER, vector=unit([0, 1]).tolist()),
        encoded("cook-21", NOON - 30 * HOUR_MS),  # older: no effect
    ]
    grown.apply(changes)
    grown.advance(LATER)
    compacted = [r for r in records if r.video_id not in ("cook-20", "cook-21")] + changes[-3:-1]
    rebuilt = catalogue_of(*compacted)
    fresh = await home_feed(rebuilt).recommend(queries)
    assert [digest(one) for one in await pipeline.recommend(queries)] == [digest(one) for one in fresh]


async def test_no_slate_breaks_the_promises_whatever_people_did() -> None:
    catalogue, queries = crowd(48)
    for query, slate in zip(queries, await home_feed(catalogue).recommend(queries), strict=True):
        profile = query.profile
        shown_before = {mark.video_id for mark in profile.watches + profile.skips + profile.likes}
        hidden = {hide.video_id for hide in profile.hides}
        assert len(slate.items) == 20 or slate.exhausted
        assert not (shown_before | hidden) & set(ids(slate))
        makers = [catalogue.creator[catalogue.row_of[name]] for name in ids(slate)]
        assert max(np.bincount(makers)) <= 2


async def test_other_tasks_run_between_two_batches() -> None:
    catalogue, queries = crowd(48)
    turns: list[int] = []

    async def other() -> None:
        for turn in range(50):
            turns.append(turn)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await home_feed(catalogue).recommend(queries * 2)
    assert len(turns) >= 2
    await task


def test_a_video_that_is_uploaded_again_keeps_its_counts() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(10), watched_by_many=["cook-09"])
    catalogue.apply([encoded("cook-09", LATER, title="new")])
    assert [catalogue.ids[row] for row in catalogue.tops.trending] == ["cook-09"]
    assert catalogue.is_active[catalogue.tops.trending].all()
