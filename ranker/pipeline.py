"""The funnel: sources → filters → features → scorer → selector → explain, over a batch of queries."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from ranker import filters, sources
from ranker.candidates import Drops, Featurize, Filter, Query, Scorer, Selector, Slate, Source
from ranker.catalogue import Catalogue
from ranker.explain import Explain, explain
from ranker.features import featurize
from ranker.index import VideoIndex
from ranker.neighbours import Neighbours
from ranker.scorers import WEIGHTS, Weights, weighted_sum
from ranker.selectors import diverse
from ranker.sift import name_of, sift
from ranker.taste import taste

SIZE = 20
BATCH = 32  # queries ranked together; other tasks run between two batches

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

    async def answer(self, queries: Sequence[Query]) -> list[Slate]:
        """One slate a query, in order; a slate does not depend on who else is asked about."""
        slates: list[Slate] = []
        for start in range(0, len(queries), BATCH):
            if start:
                await asyncio.sleep(0)
            slates += await self._answer(queries[start : start + BATCH])
        return slates

    async def _answer(self, asked: Sequence[Query]) -> list[Slate]:
        began = self.clock()
        queries = [replace(query, taste=taste(query.profile, self.catalogue)) for query in asked]
        found = [await source(queries) for source in self.sources]  # in turn: only one of them ever waits
        retrieved = self.clock()
        sifted = [
            sift(query, of_query, self.filters, self.catalogue, self.size)
            for query, of_query in zip(queries, zip(*found, strict=True), strict=True)
        ]
        candidates = [one.candidates for one in sifted]
        features = self.features(queries, candidates)
        scores = self.scorer(features)
        scored = self.clock()
        picks = self.select(queries, candidates, features, scores)
        slates = self.explain(candidates, features, scores, picks)
        done = self.clock()
        timings_ms = {
            "retrieve": 1000 * (retrieved - began),
            "score": 1000 * (scored - retrieved),
            "select": 1000 * (done - scored),
        }
        return [
            Slate(
                query.user_id,
                query.version,
                items,
                Drops(self.catalogue.ids, one.dropped),
                one.degraded,
                exhausted=one.exhausted,
                timings_ms=timings_ms,
            )
            for query, one, items in zip(queries, sifted, slates, strict=True)
        ]


def home(
    index: VideoIndex,
    catalogue: Catalogue,
    weights: Weights = WEIGHTS,
    size: int = SIZE,
    clock: Clock = no_clock,
) -> Pipeline:
    """The pipeline of the home feed, as a table of its stages."""
    found = (
        sources.near_recent(Neighbours(index, catalogue, sources.NEAR)),
        sources.trending(catalogue),
        sources.fresh(catalogue),
        sources.creators(catalogue),
        sources.popular(catalogue),
    )
    names = [name_of(source) for source in found]
    return Pipeline(
        catalogue=catalogue,
        sources=found,
        filters=(
            filters.alive(catalogue),
            filters.unseen(catalogue),
            filters.not_skipped(catalogue),
            filters.not_hidden(catalogue),
            filters.not_own(catalogue),
        ),
        features=featurize(catalogue),
        scorer=weighted_sum(weights),
        select=diverse(catalogue, size, explore=names.index("fresh")),
        explain=explain(catalogue, weights, names),
        size=size,
        clock=clock,
    )


def may_show(slate: Slate, catalogue: Catalogue) -> Slate:
    """Take what was withdrawn since out of a ready slate and close the ranks: the last filter before it leaves."""
    shown = [item for item in slate.items if item.video_id in catalogue.row_of]
    if len(shown) == len(slate.items):
        return slate
    return replace(slate, items=[changed(item, rank=rank) for rank, item in enumerate(shown, 1)])
