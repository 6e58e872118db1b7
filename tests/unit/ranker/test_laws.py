"""Each law finds a part that breaks it: planted faults in sources, filters, scorers, selectors, feeds and an index."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from ranker.catalogue.arrays import Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.feeds.ranking_table import usual_table
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.reranking import diverse
from ranker.pipeline.sources import same_for_all
from ranker.pipeline.types import (
    Candidates,
    Contributions,
    FeatureMatrix,
    Filter,
    Mask,
    Places,
    QueryBatch,
    Scorer,
    Scores,
    Selection,
    Selector,
    Source,
    SourceResult,
    name_of,
)
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import Hits, SearchFilter, VideoIndex
from ranker.testing import FeedLaws, FilterLaws, ScorerLaws, SelectorLaws, SourceLaws, VideoIndexLaws
from ranker.testing.indexes import DIM
from ranker.testing.stages import StageLaws


def breaks(laws: StageLaws | VideoIndexLaws, law: str) -> bool:
    """Whether this law does not hold."""
    try:
        getattr(laws, f"test_{law}")()
    except (AssertionError, ValueError):
        return True
    return False


async def by_company(batch: QueryBatch) -> SourceResult:
    count = len(batch.queries)
    return SourceResult(np.arange(count, dtype=np.int32), np.arange(count))


async def beyond_the_catalogue(batch: QueryBatch) -> SourceResult:
    return SourceResult(np.array([10_000], np.int32), np.array([0]))


@pytest.mark.parametrize(
    ("source", "law"),
    [
        (by_company, "a_batch_is_answered_like_its_queries_alone"),
        (by_company, "an_empty_catalogue_gives_nothing"),
        (beyond_the_catalogue, "it_returns_rows_of_the_catalogue_for_queries_of_the_batch"),
        (lambda batch: by_company(batch), "it_has_a_name_of_its_own"),
    ],
)
def test_a_source_that_breaks_a_law_is_found(source: Source, law: str) -> None:
    class Laws(SourceLaws):
        def source(self, context: FeedContext) -> Source:
            return source

    assert breaks(Laws(), law)


def every_other(batch: QueryBatch, candidates: Candidates) -> Mask:
    return np.arange(len(candidates.rows)) % 2 == 0


def as_numbers(batch: QueryBatch, candidates: Candidates) -> Mask:
    return np.ones(len(candidates.rows))


def in_place(batch: QueryBatch, candidates: Candidates) -> Mask:
    candidates.rows[:] = candidates.rows[::-1]
    return np.ones(len(candidates.rows), np.bool_)


@pytest.mark.parametrize(
    ("keep", "law"),
    [
        (every_other, "a_candidate_is_judged_by_itself_and_its_query"),
        (as_numbers, "it_says_of_each_candidate_in_order_whether_to_keep_it"),
        (in_place, "it_leaves_the_candidates_as_they_are"),
        (lambda batch, candidates: np.ones(3, np.bool_), "no_candidates_get_no_verdict"),
    ],
)
def test_a_filter_that_breaks_a_law_is_found(keep: Filter, law: str) -> None:
    class Laws(FilterLaws):
        def filter(self, context: FeedContext) -> Filter:
            return keep

    assert breaks(Laws(), law)


def relative(features: FeatureMatrix) -> Scores:
    return Scores({}, features["fresh"] / features["fresh"].sum())


def certain(features: FeatureMatrix) -> Scores:
    return Scores({"finish": np.ones_like(features["fresh"])}, features["fresh"])


def infinite(features: FeatureMatrix) -> Scores:
    return Scores({}, np.where(features["fresh"] > 0.5, features["fresh"], np.inf).astype(np.float32))


def explained_by_company(features: FeatureMatrix) -> Scores:
    def contributions(places: Places) -> Contributions:
        return Contributions(features.names, features.values[:, places] / len(places))

    return Scores({}, features["fresh"], contributions)


def greedy(features: FeatureMatrix) -> Scores:
    features.values[0] = 0
    return Scores({}, features["fresh"])


@pytest.mark.parametrize(
    ("score", "version", "law"),
    [
        (relative, "relative@1", "a_score_does_not_depend_on_the_other_candidates"),
        (certain, "certain@1", "heads_are_probabilities"),
        (infinite, "infinite@1", "every_candidate_gets_a_finite_score"),
        (explained_by_company, "x@1", "contributions_name_their_rows_and_do_not_depend_on_the_other_candidates"),
        (greedy, "greedy@1", "it_leaves_the_features_as_they_are"),
        (certain, "certain", "it_has_a_name_and_a_version"),
    ],
)
def test_a_scorer_that_breaks_a_law_is_found(score: object, version: str, law: str) -> None:
    class Laws(ScorerLaws):
        def scorer(self, context: FeedContext) -> Scorer:
            return Scorer(version, score)

    assert breaks(Laws(), law)


def first_of_all(batch: QueryBatch, candidates: Candidates, scores: Scores) -> Selection:
    places = np.tile(np.arange(20), (len(batch.queries), 1))
    return Selection(places, np.ones(places.shape))


def rotated(select: Selector) -> Selector:
    def rotated(batch: QueryBatch, candidates: Candidates, scores: Scores) -> Selection:
        selection = select(batch, candidates, scores)
        return replace(selection, places=np.roll(selection.places, len(batch.queries), axis=1))

    return rotated


def test_a_selector_that_breaks_a_law_is_found() -> None:
    class FirstOfAll(SelectorLaws):
        def selector(self, context: FeedContext) -> Selector:
            return first_of_all

    class Rotated(SelectorLaws):
        def selector(self, context: FeedContext) -> Selector:
            return rotated(diverse(context.catalogue, context.slate_size, usual_table().mix))

    assert breaks(FirstOfAll(), "slates_have_their_size_and_no_candidate_twice_and_gaps_at_the_end_alone")
    assert breaks(FirstOfAll(), "what_has_no_finite_score_is_never_selected")
    assert breaks(FirstOfAll(), "of_nothing_nothing_is_selected")
    assert breaks(Rotated(), "a_slate_does_not_depend_on_the_other_queries")


def everything(catalogue: Catalogue) -> Source:
    async def everything(batch: QueryBatch) -> SourceResult:
        return same_for_all(np.arange(catalogue.size, dtype=np.int32), batch)

    return everything


@pytest.mark.parametrize("missing", [None, "active", "unseen", "not_skipped"])
def test_a_feed_without_a_filter_is_found(missing: str | None) -> None:
    class Laws(FeedLaws):
        def feed(self, context: FeedContext) -> Pipeline:
            pipeline = home.build(context)
            return replace(
                pipeline,
                sources=(*pipeline.sources, everything(context.catalogue)),
                filters=tuple(keep for keep in pipeline.filters if name_of(keep) != missing),
                scorer=Scorer("what-was-skipped@1", lambda features: Scores({}, features["skipping"])),
            )

    assert breaks(Laws(), "what_is_withdrawn_skipped_or_seen_is_not_shown") == (missing is not None)


def test_a_feed_that_ranks_by_company_is_found() -> None:
    class Laws(FeedLaws):
        def feed(self, context: FeedContext) -> Pipeline:
            return replace(
                home.build(context), select=rotated(diverse(context.catalogue, context.slate_size, usual_table().mix))
            )

    assert breaks(Laws(), "a_slate_does_not_depend_on_the_other_queries")


class ForgetsFilters(ExactIndex):
    async def near(self, vectors: Vectors, k: int, where: SearchFilter | None = None) -> list[Hits]:
        return await super().near(vectors, k)


class KeepsRemoved(ExactIndex):
    async def remove(self, video_ids: Sequence[str]) -> None:
        pass


@pytest.mark.parametrize(
    ("index", "law"),
    [
        (ForgetsFilters, "only_what_the_filter_allows_is_found"),
        (ForgetsFilters, "a_video_without_language_or_category_is_in_none"),
        (KeepsRemoved, "a_removed_video_is_not_found_until_it_is_uploaded_again"),
    ],
)
def test_an_index_that_breaks_a_law_is_found(index: type[ExactIndex], law: str) -> None:
    class Laws(VideoIndexLaws):
        @asynccontextmanager
        async def open(self) -> AsyncIterator[VideoIndex]:
            yield index(Catalogue(DIM))

    assert breaks(Laws(), law)
