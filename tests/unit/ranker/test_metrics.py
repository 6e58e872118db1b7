"""Recall, AUC and intervals give what can be counted by hand."""

from itertools import permutations

import numpy as np
import pytest

from ranker.evaluation.metrics import auc
from tests.bench.metrics import interval, recall_at


def by_hand(scores: np.ndarray, positive: np.ndarray) -> float:
    """AUC pair by pair."""
    pairs = [(a, b) for a in scores[positive] for b in scores[~positive]]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def over_all_orders(k: int, scores: np.ndarray, relevant: np.ndarray) -> float:
    """Recall, averaged over every order in which ties may come."""
    found = []
    for order in permutations(range(len(scores))):
        first = sorted(order, key=lambda place: -scores[place])[:k]  # stable: ties as the order has them
        found.append(relevant[list(first)].sum() / relevant.sum())
    return float(np.mean(found))


@pytest.mark.parametrize("seed", range(8))
def test_auc_is_the_share_of_pairs_in_the_right_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.3
    assert auc(scores, positive) == pytest.approx(by_hand(scores, positive))


@pytest.mark.parametrize("seed", range(8))
def test_recall_is_its_mean_over_all_orders_of_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, relevant = rng.integers(0, 3, 6).astype(float), np.array([True, True, False, True, False, False])
    for k in (1, 3, 5):
        assert recall_at(k, scores, relevant) == pytest.approx(over_all_orders(k, scores, relevant))


def test_scores_that_are_all_equal_are_worth_no_more_than_chance() -> None:
    relevant = np.arange(200) < 7
    assert recall_at(50, np.zeros(200), relevant) == pytest.approx(50 / 200)
    assert auc(np.zeros(200), relevant) == 0.5


def test_scores_that_are_not_finite_come_last() -> None:
    scores, relevant = np.array([np.nan, 0.1, np.inf, 0.2]), np.array([True, False, True, False])
    assert auc(scores, relevant) == 0.0
    assert recall_at(2, scores, relevant) == 0.0


def test_where_nothing_is_relevant_or_everything_is_there_is_no_figure() -> None:
    scores = np.arange(4.0)
    assert np.isnan(recall_at(2, scores, np.zeros(4, bool)))
    assert np.isnan(auc(scores, np.zeros(4, bool))) and np.isnan(auc(scores, np.ones(4, bool)))


def test_all_that_is_relevant_is_found_when_k_exceeds_the_pool() -> None:
    assert recall_at(50, np.arange(4.0), np.array([True, False, False, True])) == 1.0


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    draws = [interval(rng.exponential(size=80), draws=300) for _ in range(150)]
    held = np.mean([low <= 1.0 <= high for low, high in draws])
    assert 0.88 < held < 0.98  # 0.95 is promised for large samples; seen: 0.95


def test_an_interval_is_the_same_for_the_same_seed() -> None:
    values = np.random.default_rng(2).random(50)
    assert interval(values) == interval(values) != interval(values, seed=1)
