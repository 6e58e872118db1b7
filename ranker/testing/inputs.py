"""What the laws hand to a stage: the results of the home feed's stages before it, whole, in part, or read-only."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace

import numpy as np

from ranker.catalogue.arrays import Mask
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.merge import filter_candidates, merge
from ranker.pipeline.query_features import query_features
from ranker.pipeline.sources import same_for_all
from ranker.pipeline.types import Candidates, FeatureMatrix, Query, QueryBatch, Scores, SourceResult, name_of


def batch_of(queries: Sequence[Query], context: FeedContext) -> QueryBatch:
    """Queries with what the catalogue knows of them."""
    return QueryBatch(queries, query_features([query.profile for query in queries], context.catalogue))


class HomeStages:
    """The stages of the home feed one by one, for laws of the stages behind them."""

    def __init__(self, context: FeedContext) -> None:
        self.context = context
        self.pipeline = home.build(context)

    def found(self, queries: Sequence[Query]) -> tuple[QueryBatch, Candidates]:
        """The candidates of its sources, before any filter, with every third video of the catalogue."""
        batch = batch_of(queries, self.context)
        rows = np.arange(0, self.context.catalogue.size, 3, dtype=np.int32)
        results = {**self._results(batch), "every_third": same_for_all(rows, batch)}
        return batch, merge(results, len(queries), self.context.catalogue)

    def scored(self, queries: Sequence[Query]) -> tuple[QueryBatch, Candidates, Scores]:
        """The candidates that its filters keep, with their scores."""
        batch, catalogue = batch_of(queries, self.context), self.context.catalogue
        size, filters = self.context.slate_size, self.pipeline.filters
        candidates = filter_candidates(batch, self._results(batch), filters, catalogue, size).candidates
        return batch, candidates, self.pipeline.scorer.score(self.pipeline.features(batch, candidates))

    def _results(self, batch: QueryBatch) -> dict[str, SourceResult]:
        async def ask() -> dict[str, SourceResult]:
            return {name_of(source): await source(batch) for source in self.pipeline.sources}

        return asyncio.run(ask())


def some_of(candidates: Candidates, which: Mask) -> Candidates:
    """Some of the candidates, each still with its query."""
    query = candidates.query[which]
    return Candidates(
        candidates.keys[which],
        candidates.rows[which],
        query,
        candidates.sources[which],
        query.searchsorted(np.arange(len(candidates.bounds))),
    )


def columns_of(features: FeatureMatrix, which: slice) -> FeatureMatrix:
    """The features of some of the candidates."""
    values, nearness = features.values[:, which].copy(), features.nearness[:, which].copy()
    return replace(features, values=values, nearness=nearness, without=None)


def freeze(columns: object) -> None:
    """Make every array of a dataclass read-only, so that writing to it raises ValueError."""
    for field in fields(columns) if is_dataclass(columns) else ():
        value = getattr(columns, field.name)
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        freeze(value)
