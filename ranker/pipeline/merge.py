"""Merging and filtering: from what the sources returned for a batch to the candidates that may be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Keys, Rows
from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline import source_sets
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.pair_keys import is_first, keys_of, parts_of
from ranker.pipeline.source_sets import SourceSets
from ranker.pipeline.types import Candidates, Drops, Filter, QueryBatch, SourceResult, name_of
from ranker.profile.model import seen_codes

FILL = "fill"  # source of what was taken from the whole catalogue because the sources returned too little
RESHOW_SEEN = "unseen"  # in `degraded`: no unseen video is left, the ones seen longest ago are shown again
PASSED = -1  # no filter rejected it


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The candidates of a batch; for each query what was removed, what was missing, and whether that was everything."""

    candidates: Candidates
    drops: list[Drops]
    degraded: list[tuple[str, ...]]
    exhausted: list[bool]  # the whole catalogue holds fewer than `size` videos for this person


def filter_candidates(
    batch: QueryBatch, results: Mapping[str, SourceResult], filters: Sequence[Filter], catalogue: Catalogue, size: int
) -> FilterResult:
    """Merge the sources' results and filter them; backfill the queries that are left with fewer than `size`."""
    count = len(batch.queries)
    merged = merge(results, count, catalogue)
    rejected_by = first_rejecting_filter(batch, merged, filters)
    names = [name_of(keep) for keep in filters]
    drops = [Drops(catalogue.ids, names, merged.rows[span], rejected_by[span]) for _, span in merged.spans()]
    degraded = [missing_for(query, results) for query in range(count)]
    exhausted, backfilled = [False] * count, []
    kept = passing(merged, rejected_by, catalogue)
    for query, span in kept.spans():
        found = kept.rows[span]
        if len(found) < size:
            rows = backfill(batch, query, found, filters, catalogue, size)
            exhausted[query] = len(found) + len(rows) < size
            if not len(found) + len(rows):
                rows = seen_longest_ago(batch, query, filters, catalogue, size)
                degraded[query] += (RESHOW_SEEN,) if len(rows) else ()
            backfilled.append(SourceResult(rows, np.full(len(rows), query)))
    return FilterResult(join(kept, backfilled, catalogue) if backfilled else kept, drops, degraded, exhausted)


def missing_for(query: int, results: Mapping[str, SourceResult]) -> tuple[str, ...]:
    """What did not answer the sources for one query, each name once, in the order of the sources."""
    return tuple(dict.fromkeys(result.missing[query] for result in results.values() if query in result.missing))


def merge(results: Mapping[str, SourceResult], count: int, catalogue: Catalogue) -> Candidates:
    """What the sources, by name, returned for `count` queries: each row once a query, with the set of its sources."""
    names = (*results, FILL)
    if switch.is_used() and len(names) <= source_sets.WORD_BITS:
        of_sources = [one.rows for one in results.values()], [one.query for one in results.values()]
        return _candidates(names, calls.merge(*of_sources, catalogue.order, catalogue.by_id, count))
    rows = np.concatenate([result.rows for result in results.values()])
    query = np.concatenate([result.query for result in results.values()]).astype(np.int64, copy=False)
    source = np.arange(len(results)).repeat([len(result.rows) for result in results.values()])
    bits = len(results).bit_length()  # 32 for the id's place and 6 for the query of a batch leave room for 25
    keys = keys_of(query, catalogue.order[rows]) << bits | source
    keys.sort()
    pairs, source = keys >> bits, keys & ((1 << bits) - 1)
    first = is_first(pairs).nonzero()[0]
    sources = source_sets.union(names, source, first)
    return candidates_of(pairs[first], sources, count, catalogue)


def passing(merged: Candidates, rejected_by: NDArray[np.int16], catalogue: Catalogue) -> Candidates:
    """The candidates that no filter rejected."""
    if switch.is_used():
        of_all = calls.Merged(merged.keys, merged.rows, merged.query, merged.sources.words, merged.bounds)
        return _candidates(merged.sources.names, calls.keep(rejected_by, PASSED, of_all))
    passed = rejected_by == PASSED
    return candidates_of(merged.keys[passed], merged.sources[passed], len(merged.bounds) - 1, catalogue)


def _candidates(names: tuple[str, ...], merged: calls.Merged) -> Candidates:
    return Candidates(merged.keys, merged.rows, merged.query, SourceSets(names, merged.words), merged.bounds)


def first_rejecting_filter(batch: QueryBatch, candidates: Candidates, filters: Sequence[Filter]) -> NDArray[np.int16]:
    """The place of the first filter that rejects each candidate; PASSED where none does."""
    rejected_by = np.full(len(candidates.rows), PASSED, np.int16)
    for i, keep in reversed([*enumerate(filters)]):
        np.putmask(rejected_by, ~keep(batch, candidates), i)
    return rejected_by


def backfill(
    batch: QueryBatch, query: int, found: Rows, filters: Sequence[Filter], catalogue: Catalogue, size: int
) -> Rows:
    """The most popular, then the newest, of all videos that may be shown and are not found yet."""
    rows = all_that_pass(batch, query, filters, catalogue)
    rows = rows[~np.isin(rows, found)]
    popularity = catalogue.total_popularity[rows]
    if batch.moments is not None:
        _, popularity = catalogue.moments.counts(rows, batch.moments[[query]].repeat(len(rows)), catalogue)
    best = np.lexsort((catalogue.order[rows], -catalogue.at_ms[rows], -popularity))
    chosen: Rows = rows[best[: size - len(found)]]
    return chosen


def seen_longest_ago(batch: QueryBatch, query: int, filters: Sequence[Filter], catalogue: Catalogue, size: int) -> Rows:
    """The videos that were last seen longest ago, for when no unseen video may be shown; skipped ones stay away."""
    rows = all_that_pass(batch, query, [keep for keep in filters if name_of(keep) != RESHOW_SEEN], catalogue)
    seen = seen_codes(batch.queries[query].profile)
    sorter = np.argsort(seen, kind="stable")
    places = np.minimum(seen[sorter].searchsorted(catalogue.code[rows]), len(seen) - 1)
    oldest = np.lexsort((catalogue.order[rows], sorter[places] if len(seen) else places))
    chosen: Rows = rows[oldest[:size]]
    return chosen


def all_that_pass(batch: QueryBatch, query: int, filters: Sequence[Filter], catalogue: Catalogue) -> Rows:
    """All rows of the catalogue that the filters keep for one query."""
    order = catalogue.is_active[catalogue.by_id].nonzero()[0]
    keys, sources = keys_of(np.full(len(order), query), order), source_sets.single((FILL,), FILL, len(order))
    everything = candidates_of(keys, sources, len(batch.queries), catalogue)
    passed: Rows = everything.rows[first_rejecting_filter(batch, everything, filters) == PASSED]
    return passed


def join(kept: Candidates, backfilled: Sequence[SourceResult], catalogue: Catalogue) -> Candidates:
    """The candidates together with others, whose source is FILL."""
    keys = np.concatenate([kept.keys, *(keys_of(result.query, catalogue.order[result.rows]) for result in backfilled)])
    fill = source_sets.single(kept.sources.names, FILL, len(keys) - len(kept.keys))
    sources = source_sets.concatenate(kept.sources, fill)
    order = keys.argsort()
    return candidates_of(keys[order], sources[order], len(kept.bounds) - 1, catalogue)


def candidates_of(keys: Keys, sources: SourceSets, count: int, catalogue: Catalogue) -> Candidates:
    """The candidates of `count` queries from their sorted keys."""
    query, order = parts_of(keys)
    return Candidates(keys, catalogue.by_id[order], query, sources, query.searchsorted(np.arange(count + 1)))
