"""The laws of every stage and every feed, over all of ours."""

from collections.abc import Callable

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.feeds.ranking_table import usual_table
from ranker.pipeline import filters, sources
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.reranking import diverse
from ranker.pipeline.scorers import weighted_sum
from ranker.pipeline.types import Filter, Scorer, Selector, Source, name_of
from ranker.retrieval.neighbour_cache import NeighbourCache
from ranker.retrieval.neighbour_lists import NeighbourLists
from ranker.testing import FeedLaws, FilterLaws, ScorerLaws, SelectorLaws, SourceLaws, example_context, example_queries
from ranker.testing.example import example_catalogue
from ranker.testing.inputs import HomeStages
from tests.support.remote_index import ExactRemote


def creators(catalogue: Catalogue) -> Source:
    return sources.creators(catalogue, 8)


SHARED_SOURCES: tuple[Callable[[Catalogue], Source], ...] = (
    sources.trending,
    sources.fresh,
    creators,
    sources.popular,
)
FILTERS: tuple[Callable[[Catalogue], Filter], ...] = (
    filters.active,
    filters.visible_to_viewer,
    filters.unseen,
    filters.not_skipped,
    filters.not_hidden,
    filters.not_own,
)


class TestNearRecent(SourceLaws):
    def source(self, context: FeedContext) -> Source:
        return sources.near_recent(NeighbourCache(context.index, context.catalogue, 32))


class TestNearRecentElsewhere(SourceLaws):
    def source(self, context: FeedContext) -> Source:
        return sources.near_recent_by(ExactRemote(context.catalogue), context.catalogue, 32)


class TestNearRecentListed(SourceLaws):
    def source(self, context: FeedContext) -> Source:
        return sources.near_recent_listed(NeighbourLists(ExactRemote(context.catalogue), context.catalogue, 32))


class TestTrendingHere(SourceLaws):
    def source(self, context: FeedContext) -> Source:
        return sources.trending_here(context.catalogue, context.learned.parameters)


class TestSources(SourceLaws):
    @pytest.fixture(autouse=True, params=SHARED_SOURCES, ids=name_of)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.make: Callable[[Catalogue], Source] = request.param

    def source(self, context: FeedContext) -> Source:
        return self.make(context.catalogue)


class TestFilters(FilterLaws):
    @pytest.fixture(autouse=True, params=FILTERS, ids=name_of)
    def choose(self, request: pytest.FixtureRequest) -> None:
        self.make: Callable[[Catalogue], Filter] = request.param

    def filter(self, context: FeedContext) -> Filter:
        return self.make(context.catalogue)


class TestWeightedSum(ScorerLaws):
    def scorer(self, context: FeedContext) -> Scorer:
        return weighted_sum(usual_table().score.weights)


class TestDiverse(SelectorLaws):
    def selector(self, context: FeedContext) -> Selector:
        return diverse(context.catalogue, context.slate_size, usual_table().mix)


class TestHome(FeedLaws):
    def feed(self, context: FeedContext) -> Pipeline:
        return home.build(context)


class TestHomeWithoutVectors(FeedLaws):
    def context(self) -> FeedContext:
        remote = ExactRemote(example_catalogue())
        return example_context(remote, example_catalogue(holds_vectors=False))

    def feed(self, context: FeedContext) -> Pipeline:
        return home.build(context)


def test_all_sources_and_filters_of_the_home_feed_are_under_the_laws() -> None:
    pipeline = home.build(example_context())
    assert {*pipeline.source_names} == {"near_recent", "trending_here", *map(name_of, SHARED_SOURCES)}
    assert {*map(name_of, pipeline.filters)} == {*map(name_of, FILTERS)}


def test_the_example_gives_every_source_and_every_filter_something_to_do() -> None:
    context = example_context()
    batch, candidates = HomeStages(context).found(example_queries())
    pipeline = home.build(context)
    assert all(candidates.sources.contain(name).any() for name in pipeline.source_names)
    kept = {name_of(keep): keep(batch, candidates).mean() for keep in pipeline.filters}
    assert all(0 < share < 1 for share in kept.values()), kept
