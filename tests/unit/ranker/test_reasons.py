"""Reasons: from the scorer's contributions, or from the sources where it gives none, by the table of a feed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.home import REASONS
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.reasons import MIN_SECOND_SHARE, Reason, explain, greatest_two, reasons_of, rounded
from ranker.pipeline.sources import same_for_all
from ranker.pipeline.types import (
    Contributions,
    FeatureMatrix,
    Places,
    Query,
    QueryBatch,
    Scorer,
    Scores,
    Source,
    SourceResult,
)
from ranker.profile.model import EMPTY, Profile
from schemas.messages.recommendations import Because, Item
from tests.support.catalogues import LATER, catalogue_of, home_feed, kitchen_and_garden
from tests.support.events import after, watched


def newest_first(features: FeatureMatrix) -> Scores:
    return Scores({}, features["fresh"])


def newest_first_because(name: str) -> Scorer:
    """The same scores, all contributed by one thing that has a name."""

    def score(features: FeatureMatrix) -> Scores:
        def contributions(places: Places) -> Contributions:
            return Contributions((name,), features["fresh"][places][None])

        return Scores({}, features["fresh"], contributions)

    return Scorer("newest-first@1", score)


def seasonal(catalogue: Catalogue, ids: Sequence[str]) -> Source:
    async def seasonal(batch: QueryBatch) -> SourceResult:
        return same_for_all(catalogue.rows(ids), batch)

    return seasonal


async def items_of(pipeline: Pipeline, profile: Profile = EMPTY) -> dict[str, Item]:
    (slate,) = await pipeline.recommend([Query("ana", 1, LATER, profile)])
    return {item.video_id: item for item in slate.items if item.propensity == 1.0}


async def test_a_scorer_without_contributions_gets_its_reasons_from_the_sources() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-07"])
    pipeline = replace(home_feed(catalogue, size=120), scorer=Scorer("newest-first@1", newest_first))
    items = await items_of(pipeline, after(watched("ana", "cook-00")))
    codes = {reason.code: reason.sources for reason in REASONS}
    for item in items.values():
        for because in item.reasons:
            assert {*codes[because.code]} & {*item.sources}, item
    by_source = {code for code, sources in codes.items() if sources}
    assert {because.code for item in items.values() for because in item.reasons} == by_source - {"creator", "next"}
    near = next(item for item in items.values() if item.sources == ["near_recent"])
    assert near.reasons == [Because("similar_to", 1.0, "cook-00")]
    assert items["cook-07"].sources == ["trending", "fresh", "popular"]
    assert items["cook-07"].reasons == [Because("trending", 0.333333), Because("fresh", 0.333333)]


async def test_heads_may_be_missing() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    items = await items_of(replace(home_feed(catalogue), scorer=Scorer("newest-first@1", newest_first)))
    assert all(item.p == {} for item in items.values())


async def test_a_scorer_brings_a_code_of_its_own_by_naming_its_contribution_in_the_table() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    table = (Reason("just_in", features=("recency",)), *REASONS)
    pipeline = home_feed(catalogue)
    pipeline = replace(pipeline, scorer=newest_first_because("recency"), explain=explain(catalogue, table))
    for item in (await items_of(pipeline)).values():
        assert item.reasons[0].code == "just_in"


async def test_contributions_that_no_table_lists_leave_the_reasons_to_the_sources() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(), watched_by_many=["cook-07"])
    items = await items_of(replace(home_feed(catalogue), scorer=newest_first_because("recency")))
    silent = await items_of(replace(home_feed(catalogue), scorer=Scorer("newest-first@1", newest_first)))
    assert {name: item.reasons for name, item in items.items()} == {name: item.reasons for name, item in silent.items()}


async def test_a_source_has_its_own_name_for_a_reason_unless_the_table_has_another() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    home = home_feed(catalogue)
    pipeline = replace(home, sources=(*home.sources, seasonal(catalogue, ["cook-59", "cook-00"])), size=120)
    pipeline = replace(pipeline, scorer=Scorer("oldest-first@1", lambda features: Scores({}, -features["fresh"])))
    items = await items_of(pipeline)
    assert items["cook-59"].sources == ["seasonal"]
    assert items["cook-59"].reasons == [Because("seasonal", 1.0)]
    table = (Reason("in_season", sources=("seasonal",)), *REASONS)
    renamed = await items_of(replace(pipeline, explain=explain(catalogue, table)))
    assert renamed["cook-59"].reasons == [Because("in_season", 1.0)]


@pytest.mark.parametrize(("weight", "first"), [(100.0, "seasonal"), (0.0, "fresh")])
async def test_the_table_weighs_a_source_against_the_contributions(weight: float, first: str) -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    home = home_feed(catalogue)
    pipeline = replace(
        home,
        sources=(*home.sources, seasonal(catalogue, ["cook-00"])),
        explain=explain(catalogue, (Reason("seasonal", sources=("seasonal",), source_weight=weight), *REASONS)),
    )
    items = await items_of(pipeline)
    assert items["cook-00"].reasons[0].code == first
    assert all(item.reasons[0].code == "fresh" for name, item in items.items() if name != "cook-00")


async def test_a_table_may_have_one_code_alone_and_it_stands_for_everything() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    pipeline = replace(home_feed(catalogue), explain=explain(catalogue, (Reason("for_you", features=("nothing",)),)))
    listed = {"near_recent", "trending", "fresh", "creators", "popular"}
    assert {because.code for item in (await items_of(pipeline)).values() for because in item.reasons} == {"fresh"}
    only = (Reason("for_you", sources=tuple(sorted(listed))),)
    alone = await items_of(replace(pipeline, explain=explain(catalogue, only)))
    assert all(item.reasons == [Because("for_you", 1.0)] for item in alone.values())


async def test_features_without_interests_name_none() -> None:
    catalogue = catalogue_of(*kitchen_and_garden())
    home = home_feed(catalogue)

    def bare(batch: QueryBatch, candidates: object) -> FeatureMatrix:
        features = home.features(batch, candidates)  # type: ignore[arg-type]  # as every featurizer
        return replace(features, nearness=np.empty((0, features.values.shape[1]), np.float32))

    items = await items_of(replace(home, features=bare), after(watched("ana", "cook-00")))
    assert all(because.video_id is None for item in items.values() for because in item.reasons)


def test_the_two_greatest_shares_are_shown_and_of_equal_ones_the_code_listed_first() -> None:
    table = [Reason(name) for name in "abcde"]
    rng = np.random.default_rng(4)
    share = (rng.integers(0, 6, (5, 400)) / 16).astype(np.float32)
    share[2, ::40] = np.nan  # of a contribution that is no number: it speaks last
    interest = rng.integers(-1, 3, share.shape).astype(np.int32)
    found = reasons_of(greatest_two(share), table, dict(enumerate(interest)), ["v0", "v1", "v2"])
    for item, column in enumerate(share.T):
        first, second = sorted(range(5), key=lambda code: (np.isnan(column[code]), -column[code], code))[:2]
        shown = [first, second] if column[second] >= MIN_SECOND_SHARE else [first]
        assert [one.code for one in found[item]] == ["abcde"[code] for code in shown]
        assert [one.weight for one in found[item]] == rounded(column[shown]).tolist()
        named = [interest[code, item] for code in shown]
        assert [one.video_id for one in found[item]] == [f"v{row}" if row >= 0 else None for row in named]
