"""The funnel: sources → filters → features → scorer → selector → explain, over a batch of queries."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.merge import filter_candidates
from ranker.pipeline.query_features import query_features
from ranker.pipeline.types import Explain, Featurize, Filter, Query, QueryBatch, Scorer, Selector, Slate, Source

SIZE = 20
BATCH = 64  # queries ranked together; other tasks run between two batches

Clock = Callable[[], float]  # seconds; only differences count


def no_clock() -> float:
    """The clock of whoever wants no timings."""
    return 0.0


@dataclass(frozen=True)
class Pipeline:
    """The stages, in the order in which they run."""

    catalogue: Catalogue
    sources: tuple[Source, ...]
    filters: tuple[Filter, ...]
    features: Featurize
    scorer: Scorer
    select: Selector
    explain: Explain
    size: int = SIZE
    clock: Clock = no_clock

    async def recommend(self, queries: Sequence[Query]) -> list[Slate]:
        """One slate a query, in order; a slate does not depend on who else is asked about."""
        slates: list[Slate] = []
        for start in range(0, len(queries), BATCH):
            if start:
                await asyncio.sleep(0)
            slates += await self._recommend_batch(queries[start : start + BATCH])
        return slates

    async def _recommend_batch(self, queries: Sequence[Query]) -> list[Slate]:
        began, retirements = self.clock(), self.catalogue.retirements
        batch = QueryBatch(queries, query_features([query.profile for query in queries], self.catalogue))
        found = [await source(batch) for source in self.sources]  # in turn: only one of them ever waits
        retrieved = self.clock()
        sifted = filter_candidates(batch, found, self.filters, self.catalogue, self.size)
        features = self.features(batch, sifted.candidates)
        scores = self.scorer(features)
        scored = self.clock()
        picks = self.select(batch, sifted.candidates, scores)
        items = self.explain(sifted.candidates, features, scores, picks)
        done = self.clock()
        timings_ms = {
            "retrieve": round(1000 * (retrieved - began), 3),
            "score": round(1000 * (scored - retrieved), 3),
            "select": round(1000 * (done - scored), 3),
        }
        return [
            Slate(
                user_id=query.user_id,
                version=query.version,
                items=shown,
                drops=drops,
                degraded=degraded,
                exhausted=exhausted,
                timings_ms=timings_ms,
                retirements=retirements,
                now_ms=query.now_ms,
                follows=query.profile.follows,
            )
            for query, shown, drops, degraded, exhausted in zip(
                queries, items, sifted.drops, sifted.degraded, sifted.exhausted, strict=True
            )
        ]
