"""Figures of slates against sums written out, and against values worked out by hand."""

from itertools import combinations
from math import log2
from typing import Any

import numpy as np
import pytest

from ranker.evaluation.bootstrap import Floats
from ranker.evaluation.slate_figures import (
    gain_at,
    gini,
    intra_list_distance,
    overlap_at,
    rank_biased_overlap,
    surprise,
)


def unit_rows(seed: int, n: int, dim: int = 8) -> Floats:
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    found: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


@pytest.mark.parametrize("n", [2, 3, 20])
def test_the_distance_in_a_list_is_the_mean_over_its_pairs(n: int) -> None:
    rows = unit_rows(n, n)
    pairs = [1 - float(one @ other) for one, other in combinations(rows, 2)]
    assert intra_list_distance(rows) == pytest.approx(sum(pairs) / len(pairs))


def test_one_video_has_no_distance() -> None:
    assert np.isnan(intra_list_distance(unit_rows(1, 1)))


def brute_overlap(one: list[str], other: list[str], p: float) -> float:
    """Equation 32 of Webber, Moffat & Zobel 2010, term by term."""
    short, long = sorted((one, other), key=len)
    s, length = len(short), len(long)

    def shared(d: int) -> int:
        return len({*short[:d]} & {*long[:d]})

    agreed = sum(shared(d) / d * p**d for d in range(1, length + 1))
    beyond = sum(shared(s) * (d - s) / s / d * p**d for d in range(s + 1, length + 1))
    return (1 - p) / p * (agreed + beyond) + ((shared(length) - shared(s)) / length + shared(s) / s) * p**length


@pytest.mark.parametrize("seed", range(20))
def test_rank_biased_overlap_is_that_of_the_paper(seed: int) -> None:
    chance = np.random.default_rng(seed)
    one, other = ([f"v{n}" for n in chance.permutation(30)[: chance.integers(1, 21)]] for _ in range(2))
    assert rank_biased_overlap(one, other) == pytest.approx(brute_overlap(one, other, 0.9))
    assert rank_biased_overlap(one, other) == pytest.approx(rank_biased_overlap(other, one))


def test_the_same_list_overlaps_wholly_and_a_change_on_top_costs_most() -> None:
    ids = [*"abcdefghij"]
    top, bottom = ["x", *ids[1:]], [*ids[:-1], "x"]
    assert rank_biased_overlap(ids, ids) == pytest.approx(1)
    assert rank_biased_overlap(ids, top) < rank_biased_overlap(ids, bottom) < 1


def test_overlap_asks_for_the_same_videos_in_any_order() -> None:
    assert overlap_at(3, [*"abcx"], [*"cbay"]) == 1
    assert overlap_at(10, [*"abcd"], [*"ab"]) == 0.5


@pytest.mark.parametrize(("rank", "k", "gain"), [(1, 10, 1), (7, None, 1 / 3), (11, 10, 0), (11, None, 1 / log2(12))])
def test_a_lower_place_gains_less(rank: int, k: Any, gain: float) -> None:
    assert gain_at(rank, k) == pytest.approx(gain)


def test_gini_is_the_mean_difference_of_two_over_twice_the_mean() -> None:
    counts = np.random.default_rng(3).integers(0, 9, 25).astype(float)
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    assert gini(counts) == pytest.approx(differences / (2 * counts.mean()))
    assert np.isnan(gini(np.zeros(4)))


def test_what_everybody_has_met_surprises_nobody() -> None:
    assert surprise(99, 99) == 0
    assert surprise(0, 1023) == 10
