"""Laws of single stages: what a source, a filter, a scorer and a selector have to fulfil.

Every query has to be answered as if it were alone, because the queries of a batch are those that happened to arrive
together, and a replay may cut its batches differently.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.merge import FILL
from ranker.pipeline.types import (
    FeatureMatrix,
    Filter,
    Query,
    Scorer,
    Scores,
    Selector,
    Source,
    SourceResult,
    name_of,
)
from ranker.testing.example import example_context, example_queries
from ranker.testing.inputs import HomeStages, batch_of, columns_of, freeze, some_of

VERSION = re.compile(r"[\w.-]+@[\w.-]+")  # such as home@1


class StageLaws:
    """What the laws are tried on; override it where a stage needs other videos or other people."""

    def context(self) -> FeedContext:
        """The catalogue, the index and the settings that the stage is made for."""
        return example_context()

    def queries(self) -> list[Query]:
        """The queries of a batch."""
        return example_queries()


class SourceLaws(StageLaws):
    """The laws of a source."""

    def source(self, context: FeedContext) -> Source:
        """The source that the laws are tried on."""
        raise NotImplementedError

    def _results(self, context: FeedContext, *batches: Sequence[Query]) -> list[SourceResult]:
        source = self.source(context)

        async def ask() -> list[SourceResult]:
            return [await source(batch_of(queries, context)) for queries in batches]

        return asyncio.run(ask())

    def test_it_has_a_name_of_its_own(self) -> None:
        name = name_of(self.source(self.context()))
        assert name.isidentifier() and name != FILL, f"{name!r} is no name that an item can give for its source"

    def test_it_returns_rows_of_the_catalogue_for_queries_of_the_batch(self) -> None:
        context, queries = self.context(), self.queries()
        (result,) = self._results(context, queries)
        assert result.rows.shape == result.query.shape == (len(result.rows),)
        assert result.rows.dtype.kind == result.query.dtype.kind == "i"
        assert ((result.rows >= 0) & (result.rows < context.catalogue.size)).all(), "a row is not of the catalogue"
        assert ((result.query >= 0) & (result.query < len(queries))).all(), "a query is not of the batch"

    def test_a_batch_is_answered_like_its_queries_alone(self) -> None:
        queries = self.queries()
        together, *alone = self._results(self.context(), queries, *([query] for query in queries))
        for place, own in enumerate(alone):
            found = sorted(set(together.rows[together.query == place].tolist()))
            assert found == sorted(set(own.rows.tolist())), f"{queries[place].user_id} gets other videos in company"
            assert together.missing.get(place) == own.missing.get(0)

    def test_the_same_batch_gets_the_same_answer(self) -> None:
        first, second = self._results(self.context(), self.queries(), self.queries())
        assert (first.rows.tolist(), first.query.tolist()) == (second.rows.tolist(), second.query.tolist())

    def test_an_empty_catalogue_gives_nothing(self) -> None:
        (result,) = self._results(example_context(catalogue=Catalogue()), self.queries())
        assert not len(result.rows)


class FilterLaws(StageLaws):
    """The laws of a filter."""

    def filter(self, context: FeedContext) -> Filter:
        """The filter that the laws are tried on."""
        raise NotImplementedError

    def test_it_has_a_name_of_its_own(self) -> None:
        assert name_of(self.filter(self.context())).isidentifier()

    def test_it_says_of_each_candidate_in_order_whether_to_keep_it(self) -> None:
        context = self.context()
        batch, candidates = HomeStages(context).found(self.queries())
        keep = self.filter(context)(batch, candidates)
        assert keep.dtype == np.bool_ and keep.shape == candidates.rows.shape

    def test_a_candidate_is_judged_by_itself_and_its_query(self) -> None:
        context, queries = self.context(), self.queries()
        keep, home_stages = self.filter(context), HomeStages(context)
        batch, candidates = home_stages.found(queries)
        together = keep(batch, candidates)
        for place, span in candidates.spans():
            alone = keep(*home_stages.found([queries[place]]))
            assert (together[span] == alone).all(), f"{queries[place].user_id} is judged otherwise in company"
        half = np.arange(len(candidates.rows)) % 2 == 0
        assert (together[half] == keep(batch, some_of(candidates, half))).all(), "a candidate is judged by its company"

    def test_it_leaves_the_candidates_as_they_are(self) -> None:
        context = self.context()
        batch, candidates = HomeStages(context).found(self.queries())
        freeze(candidates)
        self.filter(context)(batch, candidates)

    def test_no_candidates_get_no_verdict(self) -> None:
        context = self.context()
        batch, candidates = HomeStages(context).found(self.queries())
        nothing = some_of(candidates, np.zeros(len(candidates.rows), np.bool_))
        assert self.filter(context)(batch, nothing).shape == (0,)


class ScorerLaws(StageLaws):
    """The laws of a scorer."""

    def scorer(self, context: FeedContext) -> Scorer:
        """The scorer that the laws are tried on."""
        raise NotImplementedError

    def features(self, context: FeedContext) -> FeatureMatrix:
        """The features that it scores: those of the home feed, unless the scorer needs others."""
        return home.build(context).features(*HomeStages(context).found(self.queries()))

    def test_it_has_a_name_and_a_version(self) -> None:
        assert VERSION.fullmatch(self.scorer(self.context()).version), "write it like weighted-sum@1"

    def test_every_candidate_gets_a_finite_score(self) -> None:
        context = self.context()
        features = self.features(context)
        score = self.scorer(context).score(features).score
        assert score.shape == features.values.shape[1:] and score.dtype == np.float32
        assert np.isfinite(score).all()

    def test_heads_are_probabilities(self) -> None:
        context = self.context()
        features = self.features(context)
        for name, head in self.scorer(context).score(features).heads.items():
            assert head.shape == features.values.shape[1:], name
            assert ((head > 0) & (head < 1)).all(), f"{name} is not inside (0, 1)"

    def test_a_score_does_not_depend_on_the_other_candidates(self) -> None:
        context = self.context()
        features, scorer = self.features(context), self.scorer(context)
        together = scorer.score(features)
        for step in (2, 3, 97):
            alone = scorer.score(columns_of(features, slice(None, None, step)))
            assert alone.score.tobytes() == together.score[::step].tobytes(), "other bits in other company"
            for name, head in alone.heads.items():
                assert head.tobytes() == together.heads[name][::step].tobytes(), name

    def test_contributions_name_their_rows_and_do_not_depend_on_the_other_candidates(self) -> None:
        context = self.context()
        contributions = self.scorer(context).score(self.features(context)).contributions
        if contributions is None:
            return  # the reasons come from the sources
        together = contributions(np.arange(9))
        assert together.values.shape == (len(together.names), 9)
        for place in range(9):
            assert (contributions(np.array([place])).values[:, 0] == together.values[:, place]).all()

    def test_it_leaves_the_features_as_they_are(self) -> None:
        context = self.context()
        features = self.features(context)
        freeze(features)
        self.scorer(context).score(features)


class SelectorLaws(StageLaws):
    """The laws of a selector."""

    def selector(self, context: FeedContext) -> Selector:
        """The selector that the laws are tried on; its slates have the context's size."""
        raise NotImplementedError

    def test_slates_have_their_size_and_no_candidate_twice_and_gaps_at_the_end_alone(self) -> None:
        context, queries = self.context(), self.queries()
        batch, candidates, scores = HomeStages(context).scored(queries)
        selection = self.selector(context)(batch, candidates, scores)
        assert selection.places.shape == selection.propensity.shape == (len(queries), context.slate_size)
        for place, span in candidates.spans():
            chosen = selection.places[place]
            filled = chosen[chosen >= 0]
            assert (chosen[: len(filled)] >= 0).all(), "a gap before the end"
            assert len(set(filled.tolist())) == len(filled), "a candidate twice"
            assert ((filled >= span.start) & (filled < span.stop)).all(), "a candidate of another query"
        assert ((selection.propensity > 0) & (selection.propensity <= 1)).all()

    def test_a_slate_does_not_depend_on_the_other_queries(self) -> None:
        context, queries = self.context(), self.queries()
        select, home_stages = self.selector(context), HomeStages(context)
        _, candidates, _ = together = home_stages.scored(queries)
        selection = select(*together)
        for place, span in candidates.spans():
            alone = select(*home_stages.scored([queries[place]]))
            shifted = np.where(alone.places[0] >= 0, alone.places[0] + span.start, -1)
            assert (shifted == selection.places[place]).all(), f"{queries[place].user_id} gets another slate in company"
            assert (alone.propensity[0] == selection.propensity[place]).all()

    def test_what_has_no_finite_score_is_never_selected(self) -> None:
        context = self.context()
        batch, candidates, scores = HomeStages(context).scored(self.queries())
        score = scores.score.copy()
        score[::2], score[::6], score[::10] = np.nan, np.inf, -np.inf
        selection = self.selector(context)(batch, candidates, replace(scores, score=score))
        assert np.isfinite(score[selection.places[selection.places >= 0]]).all()

    def test_of_nothing_nothing_is_selected(self) -> None:
        context, queries = self.context(), self.queries()
        batch, candidates, _ = HomeStages(context).scored(queries)
        nothing = some_of(candidates, np.zeros(len(candidates.rows), np.bool_))
        selection = self.selector(context)(batch, nothing, Scores({}, np.empty(0, np.float32)))
        assert (selection.places == -1).all() and selection.places.shape == (len(queries), context.slate_size)
