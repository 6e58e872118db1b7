"""The pipeline: sources → hydration → filters → features → scorer → selector → explain, over a batch of queries."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.merge import FILL, FilterResult, filter_candidates
from ranker.pipeline.query_features import query_features
from ranker.pipeline.types import (
    Explain,
    FeatureMatrix,
    Featurize,
    Filter,
    Hydrate,
    Query,
    Scorer,
    Scores,
    Selection,
    Selector,
    Slate,
    Source,
    SourceResult,
    batch_of,
    name_of,
)
from schemas.messages.recommendations import Item

SIZE = 20
BATCH_SIZE = 64  # queries ranked together; other tasks run between two batches

Clock = Callable[[], float]  # seconds; only differences count


class PipelineError(ValueError):
    """Stages that do not make a pipeline; the message says which and what to do."""


def no_clock() -> float:
    """The clock for callers who want no timings."""
    return 0.0


@dataclass(frozen=True)
class Run:
    """What each stage made of a batch of queries."""

    results: Mapping[str, SourceResult]  # by source
    filtered: FilterResult
    features: FeatureMatrix
    scores: Scores
    selection: Selection
    items: list[list[Item]]
    retirements: int  # the catalogue's when it began
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class Pipeline:
    """The stages, in the order in which they run, and the version of the whole."""

    catalogue: Catalogue
    sources: tuple[Source, ...]
    filters: tuple[Filter, ...]
    features: Featurize
    scorer: Scorer
    select: Selector
    explain: Explain
    policy: str  # name and version of the feed, as slates say it: home@1
    size: int = SIZE
    clock: Clock = no_clock
    hydrate: Hydrate | None = None  # fetches what later stages need of the candidates

    def __post_init__(self) -> None:
        """Refuse stages whose slates could not say where their items come from."""
        names = self.source_names
        if not names:
            raise PipelineError(f"The pipeline {self.policy} has no source. Give it at least one.")
        if FILL in names:
            raise PipelineError(f"A source of {self.policy} has the name {FILL!r}, which is reserved. Rename it.")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise PipelineError(f"Two sources of {self.policy} have the name {twice[0]!r}. Give each its own __name__.")

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of the sources, as items say them."""
        return tuple(map(name_of, self.sources))

    async def recommend(self, queries: Sequence[Query]) -> list[Slate]:
        """One slate a query, in order; a slate does not depend on the other queries."""
        slates: list[Slate] = []
        for start in range(0, len(queries), BATCH_SIZE):
            if start:
                await asyncio.sleep(0)
            slates += await self._recommend(queries[start : start + BATCH_SIZE])
        return slates

    async def _recommend(self, queries: Sequence[Query]) -> list[Slate]:
        done = await self.run(queries)
        return [
            Slate(
                user_id=query.user_id,
                version=query.version,
                items=of_query,
                drops=drops,
                degraded=degraded,
                exhausted=exhausted,
                timings_ms=done.timings_ms,
                retirements=done.retirements,
                now_ms=query.now_ms,
                follows=query.profile.follows,
                ranker=self.scorer.name,
            )
            for query, of_query, drops, degraded, exhausted in zip(
                queries, done.items, done.filtered.drops, done.filtered.degraded, done.filtered.exhausted, strict=True
            )
        ]

    async def run(self, queries: Sequence[Query]) -> Run:
        """What each stage makes of one batch of queries."""
        started, retirements = self.clock(), self.catalogue.retirements
        batch = batch_of(queries, query_features([query.profile for query in queries], self.catalogue))
        results = {name_of(source): await source(batch) for source in self.sources}  # in turn: only one ever waits
        missing = await self.hydrate(batch, results) if self.hydrate else {}
        retrieved = self.clock()
        filtered = filter_candidates(batch, results, self.filters, self.catalogue, self.size)
        for place, name in missing.items():
            filtered.degraded[place] = tuple(dict.fromkeys((*filtered.degraded[place], name)))
        features = self.features(batch, filtered.candidates)
        scores = self.scorer.score(features)
        scored = self.clock()
        selection = self.select(batch, filtered.candidates, scores)
        items = self.explain(filtered.candidates, features, scores, selection)
        timings_ms = {
            "retrieve": round(1000 * (retrieved - started), 3),
            "score": round(1000 * (scored - retrieved), 3),
            "select": round(1000 * (self.clock() - scored), 3),
        }
        return Run(results, filtered, features, scores, selection, items, retirements, timings_ms)
