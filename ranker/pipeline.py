"""The funnel: sources → filters → features → scorer → selector → explain, over a batch of queries."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from ranker import filters, sources
from ranker.candidates import Asked, Explain, Featurize, Filter, Query, Scorer, Selector, Slate, Source
from ranker.catalogue import Catalogue
from ranker.explain import explain
from ranker.features import featurize
from ranker.index import VideoIndex
from ranker.neighbours import Neighbours
from ranker.scorers import WEIGHTS, Weights, weighted_sum
from ranker.selectors import diverse
from ranker.sift import name_of, sift
from ranker.taste import taste

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

    async def answer(self, queries: Sequence[Query]) -> list[Slate]:
        """One slate a query, in order; a slate does not depend on who else is asked about."""
        slates: list[Slate] = []
        for start in range(0, len(queries), BATCH):
            if start:
                await asyncio.sleep(0)
            slates += await self._answer(queries[start : start + BATCH])
        return slates

    async def _answer(self, queries: Sequence[Query]) -> list[Slate]:
        began, deaths = self.clock(), self.catalogue.deaths
        asked = Asked(queries, taste([query.profile for query in queries], self.catalogue))
        found = [await source(asked) for source in self.sources]  # in turn: only one of them ever waits
        retrieved = self.clock()
        sifted = sift(asked, found, self.filters, self.catalogue, self.size)
        features = self.features(asked, sifted.candidates)
        scores = self.scorer(features)
        scored = self.clock()
        picks = self.select(asked, sifted.candidates, scores)
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
                deaths=deaths,
                now_ms=query.now_ms,
                follows=query.profile.follows,
            )
            for query, shown, drops, degraded, exhausted in zip(
                queries, items, sifted.drops, sifted.degraded, sifted.exhausted, strict=True
            )
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
            filters.fit_for(catalogue),
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
    """Take what was withdrawn or limited since out of a ready slate and close the ranks: the last filter of all.

    Limits are judged as in the filters: by the time at which the slate was asked for, and by whom the person follows.
    """
    if slate.deaths == catalogue.deaths:
        return slate
    there = [item for item in slate.items if item.video_id in catalogue.row_of]
    rows = catalogue.rows([item.video_id for item in there])
    fit = filters.not_limited(rows, slate.now_ms, slate.follows, catalogue)
    shown = [item for item, fits in zip(there, fit, strict=True) if fits]
    if len(shown) == len(slate.items):
        return slate
    return replace(slate, items=[changed(item, rank=rank) for rank, item in enumerate(shown, 1)])
