"""The compiled loops: each gives the bits of its NumPy form, whatever it is handed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.pipeline import exploration, features, leave_one_out, merge, query_features, reasons, reranking, scorers
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.pair_keys import Pairs, keys_of
from ranker.pipeline.query_features import INTERESTS, VIDEOS, QueryFeatures
from ranker.pipeline.reasons import Reason
from ranker.pipeline.source_sets import union
from ranker.pipeline.types import Candidates, Contributions, Query, QueryBatch, Scores
from tests.support.catalogues import LATER
from tests.support.kernel_twins import both, candidates_by, catalogue_by, profiles_by, results_by, same, some

pytestmark = pytest.mark.skipif(not switch.IS_BUILT, reason="the kernel is not compiled here; NumPy does its work")
seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=50, deadline=None)


@many
@given(seeds, st.integers(0, 9))
def test_people_are_looked_up_alike(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = catalogue_by(rng)
    profiles = profiles_by(rng, catalogue, count)
    if count:
        found = both(lambda: query_features.query_features(profiles, catalogue))
        assert isinstance(found, QueryFeatures)


@many
@given(seeds, st.integers(1, 9))
def test_sources_are_merged_and_what_passes_is_kept_alike(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = catalogue_by(rng)
    results = results_by(rng, catalogue, count)
    merged = both(lambda: merge.merge(results, count, catalogue))
    rejected_by = rng.integers(-1, 2, len(merged.rows)).astype(np.int16)
    both(lambda: merge.passing(merged, rejected_by, catalogue))


@many
@given(seeds, st.integers(0, 50), st.sampled_from([np.int32, np.uint32, np.int64]))
def test_pairs_are_found_alike(seed: int, count: int, kind: Any) -> None:
    rng = np.random.default_rng(seed)
    keys = keys_of(rng.integers(0, 4, count), rng.integers(0, 9, count))
    query = rng.integers(0, 4, 80)
    numbers = rng.integers(-1 if kind is not np.uint32 else 0, 9, 80).astype(kind)
    pairs = both(lambda: Pairs(keys))
    both(lambda: pairs.find(query, numbers))
    both(lambda: pairs.contain(query, numbers))


@many
@given(seeds, st.integers(1, 5))
def test_columns_of_features_are_alike(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = catalogue_by(rng)
    candidates, _ = candidates_by(rng, catalogue, count)
    queries = [
        Query(f"u{place}", 1, LATER - int(rng.integers(-3, 9)) * 9_000_000, profile)
        for place, profile in enumerate(profiles_by(rng, catalogue, count))
    ]
    batch = QueryBatch(queries, query_features.query_features([query.profile for query in queries], catalogue))

    def columns() -> np.ndarray:
        values = np.empty((5, len(candidates.rows)), np.float32)
        features.put_columns(batch, candidates, catalogue, values)
        return values

    both(columns)


@many
@given(seeds, st.integers(0, 70), st.integers(1, 9), st.integers(1, 4))
def test_weighted_sums_are_alike(seed: int, count: int, columns: int, heads: int) -> None:
    rng = np.random.default_rng(seed)
    values, weights, bias = some(rng, columns, count), some(rng, columns, heads, 1), some(rng, heads, 1)
    both(lambda: scorers.weighted(values, weights, bias))


@many
@given(seeds, st.integers(1, 4), st.sampled_from([0, 3]))
def test_pools_are_alike(seed: int, count: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    bounds = np.concatenate([[0], rng.integers(0, 260, count).cumsum()])
    score = some(rng, bounds[-1], levels=levels)
    score[rng.random(len(score)) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    score += np.float32(0)  # no −0, whose place in a minimum NumPy leaves open
    query = np.arange(count).repeat(np.diff(bounds))
    sources = union(("a", "fill"), np.zeros(len(score), np.int64), np.arange(len(score)))
    candidates = Candidates(keys_of(query, np.arange(len(score))), query.astype(np.int32), query, sources, bounds)
    if len(score):
        both(lambda: reranking.competing(candidates, score))


@many
@given(seeds, st.integers(1, 4), st.integers(1, 40), st.integers(1, 25), st.sampled_from([0, 2]))
def test_slates_are_mixed_alike(seed: int, count: int, pool: int, size: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    gain = np.abs(some(rng, count, pool, levels=levels))
    gain[rng.random(gain.shape) < 0.2] = -np.inf
    similarity = some(rng, count, pool, pool, levels=levels)
    groups = [rng.integers(-3, 3, (count, pool)).astype(np.int32) for _ in range(rng.integers(0, 3))]
    limits = [reranking.Cap(one, int(rng.integers(1, 4))) for one in groups]
    relevance = float(rng.random())
    both(lambda: reranking.mmr(gain, similarity, size, relevance, limits))


@many
@given(seeds, st.integers(1, 5), st.integers(1, 12))
def test_what_may_be_drawn_is_alike(seed: int, count: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = catalogue_by(rng)
    candidates, _ = candidates_by(rng, catalogue, count)
    score = some(rng, len(candidates.rows))
    score[rng.random(len(score)) < 0.1] = -np.inf
    shown = np.full((count, size), -1)
    for query, span in candidates.spans():
        theirs = rng.permutation(np.arange(span.start, span.stop))[:size]
        shown[query, : len(theirs)] = theirs
    source = str(rng.choice(["fresh", "popular", "nobody's"]))
    if len(score):  # where there are no candidates nobody asks
        both(lambda: exploration.explorable(candidates, score, shown[:, : max(1, size - 2)], source, catalogue))


@many
@given(seeds, st.integers(1, 4), st.integers(0, 30), st.sampled_from([0, 3]))
def test_tastes_without_an_interest_are_alike(seed: int, count: int, items: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = catalogue_by(rng)
    known = query_features.query_features(profiles_by(rng, catalogue, count), catalogue)
    assert known.videos.shape == (count, VIDEOS)
    nearness, liking = some(rng, INTERESTS + 1, items, levels=levels), some(rng, items, levels=levels)
    both(lambda: leave_one_out.without_each(known, rng_query(seed, count, items), nearness, liking))


def rng_query(seed: int, count: int, items: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, items)


TABLE = (
    Reason("near", ("a", "b"), ("s",)),
    Reason("of nothing that is known", ("z",), ("t",)),
    Reason("by source", sources=("s", "t"), source_weight=0.5),
    *(Reason(f"of {name}", (name,)) for name in "cdefg"),
    Reason("else", ("h", "a", "c", "d", "e"), ("u", "fill")),
)


@many
@given(seeds, st.integers(1, 60), st.sampled_from([0, 2]))
def test_reasons_are_alike(seed: int, items: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    values = some(rng, 8, items, levels=levels)
    values[:, rng.random(items) < 0.3] = 0  # left unexplained
    values[rng.random(values.shape) < 0.02] = np.nan
    counts = rng.integers(1, 4, items)
    names = ("s", "t", "u", "fill")
    source = np.concatenate([np.sort(rng.choice(4, count, replace=False)) for count in counts])
    sources = union(names, source, np.concatenate([[0], counts.cumsum()[:-1]]))
    contributions = Contributions(tuple("abcdefgh"), values)
    shown = both(lambda: reasons.shown_codes(TABLE, contributions, sources))
    assert (shown.first >= 0).all()


@many
@given(seeds, st.integers(0, 40))
def test_probabilities_and_gathered_vectors_are_alike(seed: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    heads = {name: some(rng, items + 3) for name in ("finish", "like", "skip")[: rng.integers(0, 4)]}
    places = rng.integers(0, items + 3, items)
    scores = Scores(heads, some(rng, items + 3))
    both(lambda: reasons.probabilities(scores, places))
    vectors = some(rng, 50, 16)
    rows = rng.integers(-2, 55, items).astype(np.int32)
    out = np.empty((items, 16), np.float32)
    calls.gather(vectors, rows, out)
    same(out, vectors.take(rows, axis=0, mode="clip"))
