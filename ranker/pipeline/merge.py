"""Sifting: from what the sources found for a batch to what may be shown, with a reason for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.pair_keys import Keys, is_first, keys_of, parts_of
from ranker.pipeline.types import Candidates, Drops, Filter, QueryBatch, Rows, SourceResult
from ranker.profile.model import seen_codes

FILL = "fill"  # source of what was taken from the whole catalogue because the sources gave too little
FILL_BIT = 7
BITS = 8  # of a candidate's sources
RESHOW_SEEN = "unseen"  # in `degraded`: nothing unseen is left, the oldest-seen videos come back
PASSED = -1  # no filter said no


@dataclass(frozen=True, slots=True)
class FilterResult:
    """Candidates of a batch; and of each query what was dropped, what was missing, and whether that was all."""

    candidates: Candidates
    drops: list[Drops]
    degraded: list[tuple[str, ...]]
    exhausted: list[bool]  # the whole catalogue holds too little for this person


def filter_candidates(
    batch: QueryBatch, found: Sequence[SourceResult], filters: Sequence[Filter], catalogue: Catalogue, size: int
) -> FilterResult:
    """Filter what was found; fill up from the whole catalogue where that leaves fewer than `size`."""
    merged = merge(found, len(batch.queries), catalogue)
    by = first_rejecting_filter(batch, merged, filters)
    names = [name_of(one) for one in filters]
    drops = [Drops(catalogue.ids, names, merged.rows[span], by[span]) for _, span in merged.spans()]
    degraded = [tuple(dict.fromkeys(one.missing[q] for one in found if q in one.missing)) for q in range(len(drops))]
    exhausted = [False] * len(drops)
    passed, more = by == PASSED, []
    kept = candidates_of(merged.keys[passed], merged.sources[passed], len(drops), catalogue)
    for q, span in kept.spans():
        there = kept.rows[span]
        if len(there) < size:
            rows = backfill(batch, q, there, filters, catalogue, size)
            exhausted[q] = len(there) + len(rows) < size
            if not len(there) + len(rows):
                rows = seen_again(batch, q, filters, catalogue, size)
                degraded[q] += (RESHOW_SEEN,) if len(rows) else ()
            more.append(SourceResult(rows, np.full(len(rows), q)))
    return FilterResult(join(kept, more, catalogue) if more else kept, drops, degraded, exhausted)


def merge(found: Sequence[SourceResult], count: int, catalogue: Catalogue) -> Candidates:
    """What was found for each query, no row twice; bit i of its sources says that source i found it."""
    rows, of = np.concatenate([one.rows for one in found]), np.concatenate([one.of for one in found])
    source = np.arange(len(found)).repeat([len(one.rows) for one in found])
    keys = keys_of(of, catalogue.order[rows]) * BITS + source
    keys.sort()
    bits = np.left_shift(np.uint8(1), (keys % BITS).astype(np.uint8))
    first = is_first(keys // BITS).nonzero()[0]
    sources = np.bitwise_or.reduceat(bits, first) if len(first) else bits
    return candidates_of(keys[first] // BITS, sources, count, catalogue)


def first_rejecting_filter(batch: QueryBatch, candidates: Candidates, filters: Sequence[Filter]) -> NDArray[np.int8]:
    """The place of the first filter that says no to each candidate; PASSED where none does."""
    by = np.full(len(candidates.rows), PASSED, np.int8)
    for i, one in reversed([*enumerate(filters)]):
        by[~one(batch, candidates)] = i
    return by


def backfill(batch: QueryBatch, q: int, but: Rows, filters: Sequence[Filter], catalogue: Catalogue, size: int) -> Rows:
    """What is popular, then what is newest, of all that may be shown and is not there yet."""
    rows = everything(batch, q, filters, catalogue)
    rows = rows[~np.isin(rows, but)]
    best = np.lexsort((catalogue.order[rows], -catalogue.at_ms[rows], -catalogue.total_popularity[rows]))
    chosen: Rows = rows[best[: size - len(but)]]
    return chosen


def seen_again(batch: QueryBatch, q: int, filters: Sequence[Filter], catalogue: Catalogue, size: int) -> Rows:
    """The videos whose last sight is longest ago, when nothing unseen may be shown; still none of the skipped."""
    rows = everything(batch, q, [one for one in filters if name_of(one) != RESHOW_SEEN], catalogue)
    seen = seen_codes(batch.queries[q].profile)
    sorter = np.argsort(seen, kind="stable")
    at = np.minimum(seen[sorter].searchsorted(catalogue.code[rows]), len(seen) - 1)
    oldest = np.lexsort((catalogue.order[rows], sorter[at] if len(seen) else at))
    chosen: Rows = rows[oldest[:size]]
    return chosen


def everything(batch: QueryBatch, q: int, filters: Sequence[Filter], catalogue: Catalogue) -> Rows:
    """All rows that the filters let through for one query."""
    alive = catalogue.is_active[catalogue.by_id].nonzero()[0]
    keys, sources = keys_of(np.full(len(alive), q), alive), np.zeros(len(alive), np.uint8)
    all_alive = candidates_of(keys, sources, len(batch.queries), catalogue)
    passed: Rows = all_alive.rows[first_rejecting_filter(batch, all_alive, filters) == PASSED]
    return passed


def join(kept: Candidates, more: Sequence[SourceResult], catalogue: Catalogue) -> Candidates:
    """Candidates together with others, whose source is the whole catalogue."""
    keys = np.concatenate([kept.keys, *(keys_of(one.of, catalogue.order[one.rows]) for one in more)])
    sources = np.full(len(keys), 1 << FILL_BIT, np.uint8)
    sources[: len(kept.keys)] = kept.sources
    order = keys.argsort()
    return candidates_of(keys[order], sources[order], len(kept.bounds) - 1, catalogue)


def candidates_of(keys: Keys, sources: NDArray[np.uint8], count: int, catalogue: Catalogue) -> Candidates:
    """Candidates of so many queries from their sorted keys."""
    of, order = parts_of(keys)
    return Candidates(keys, catalogue.by_id[order], of, sources, of.searchsorted(np.arange(count + 1)))


def name_of(stage: object) -> str:
    """A stage's name."""
    return str(getattr(stage, "__name__", type(stage).__name__))
