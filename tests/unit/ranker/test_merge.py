"""Merging: every candidate names exactly the sources that returned it, however many sources there are."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.merge import FILL
from ranker.pipeline.pipeline import Pipeline, PipelineError
from ranker.pipeline.types import Query, QueryBatch, Slate, Source, SourceResult
from ranker.profile.model import EMPTY
from tests.support.catalogues import LATER, catalogue_of, home_feed, kitchen_and_garden
from tests.support.events import encoded

PEOPLE = ("ana", "ben", "cem")

Returned = dict[str, dict[str, list[str]]]  # video ids by source and person


def returning(name: str, ids: dict[str, list[str]], catalogue: Catalogue) -> Source:
    """A source that returns these videos to each person, the first of them twice, in the smallest fitting integers."""

    async def source(batch: QueryBatch) -> SourceResult:
        rows = [catalogue.rows([*ids[query.user_id], *ids[query.user_id][:1]]) for query in batch.queries]
        return SourceResult(np.concatenate(rows), np.arange(len(rows), dtype=np.int8).repeat([*map(len, rows)]))

    source.__name__ = name
    return source


def some_sources(count: int, catalogue: Catalogue) -> Returned:
    """What each of so many sources returns to each person: a few videos, and to some people none."""
    rng = np.random.default_rng(count)
    names = sorted(catalogue.row_of)
    return {
        f"source_{number}": {
            user_id: rng.choice(names, rng.integers(0, 9), replace=False).tolist() for user_id in PEOPLE
        }
        for number in range(count)
    }


async def slates_of(pipeline: Pipeline, people: Sequence[str] = PEOPLE) -> list[Slate]:
    return await pipeline.recommend([Query(user_id, 0, LATER, EMPTY) for user_id in people])


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40, 63, 64, 65, 200])
async def test_every_item_names_exactly_the_sources_that_returned_it(count: int) -> None:
    catalogue = catalogue_of(*kitchen_and_garden(30))
    returned = some_sources(count, catalogue)
    sources = tuple(returning(name, ids, catalogue) for name, ids in returned.items())
    pipeline = replace(home_feed(catalogue, size=60), sources=sources)
    for user_id, slate in zip(PEOPLE, await slates_of(pipeline), strict=True):
        assert len(slate.items) == 60  # the whole catalogue, so every candidate of every source and the backfill
        for item in slate.items:
            truth = [name for name, ids in returned.items() if item.video_id in ids[user_id]]
            assert item.sources == (truth or [FILL]), item.video_id


@pytest.mark.parametrize("before", [0, 8, 63, 64])
async def test_exploration_draws_from_its_source_wherever_that_stands(before: int) -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    home = home_feed(catalogue)
    cook = {user_id: ["cook-03"] for user_id in PEOPLE}
    others = tuple(returning(f"source_{number}", cook, catalogue) for number in range(before))
    pipeline = replace(home, sources=(*others, *home.sources))
    plain, moved = await slates_of(home), await slates_of(pipeline)
    for slate, other in zip(plain, moved, strict=True):
        drawn = [item.video_id for item in slate.items if item.propensity < 1]
        assert len(drawn) == 2
        assert [item.video_id for item in other.items if item.propensity < 1] == drawn


async def test_filters_beyond_the_127th_are_named_too() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(10), encoded("rejected"))
    home = home_feed(catalogue)

    def last(batch: QueryBatch, candidates: object) -> np.ndarray:
        return candidates.rows != catalogue.row_of["rejected"]  # type: ignore[attr-defined]  # as every filter

    pipeline = replace(home, filters=(*home.filters[:1] * 200, last))
    (slate,) = await slates_of(pipeline, ["ana"])
    assert slate.dropped == [("rejected", "last")]


def test_a_pipeline_whose_items_could_not_name_their_sources_is_refused() -> None:
    catalogue = Catalogue()
    home = home_feed(catalogue)
    with pytest.raises(PipelineError, match=r"^Two sources of home@2 have the name 'fresh'"):
        replace(home, sources=(*home.sources, returning("fresh", {}, catalogue)))
    with pytest.raises(PipelineError, match=r"^A source of home@2 has the name 'fill', which is reserved"):
        replace(home, sources=(returning("fill", {}, catalogue),))
    with pytest.raises(PipelineError, match=r"^The pipeline home@2 has no source"):
        replace(home, sources=())
