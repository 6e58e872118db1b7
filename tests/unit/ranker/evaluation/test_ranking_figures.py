"""AUC and GAUC give what can be counted by hand, for everybody and for every draw of people."""

import numpy as np
import pytest

from ranker.evaluation.bootstrap import person_draws
from ranker.evaluation.metrics import auc
from ranker.evaluation.ranking_figures import auc_of, auc_within, gauc_of
from tests.unit.ranker.evaluation.brute_force import auc_by_pairs, gauc_by_pairs, written_out

ANA, BEN, CLEO = 0, 1, 2


def booleans(values):
    return np.array(values, bool)


def of_everybody(statistic, people):
    return float(statistic(np.ones((1, people)))[0])


def gauc(scores, positive, people):
    owners = np.array(people)
    return of_everybody(gauc_of(np.array(scores), booleans(positive), owners, owners), max(people) + 1)


def test_gauc_is_each_persons_auc_weighted_by_their_exposures():
    # Ana: 3 exposures, AUC 1; Ben: 2 exposures, AUC 0; together 3/5.
    people = [ANA, ANA, ANA, BEN, BEN]
    assert gauc([0.9, 0.5, 0.1, 0.2, 0.8], [1, 0, 0, 1, 0], people) == pytest.approx(0.6)


def test_somebody_with_one_outcome_counts_nothing():
    people = [ANA, ANA, BEN, BEN, CLEO]
    assert gauc([0.2, 0.8, 0.9, 0.1, 0.5], [0, 1, 1, 1, 0], people) == 1.0


def test_where_nobody_has_both_outcomes_there_is_no_gauc_but_an_auc():
    scores, positive, people = np.array([0.9, 0.1]), booleans([1, 0]), np.array([ANA, BEN])
    assert np.isnan(gauc(scores, positive, people))
    assert of_everybody(auc_of(scores, positive, people), 2) == 1.0


def test_a_persons_own_level_is_no_merit_in_gauc():
    people = np.repeat(np.arange(40), 5)
    positive = np.random.default_rng(1).random(200) < np.repeat(np.linspace(0, 1, 40), 5)
    level = np.repeat(np.linspace(0, 1, 40), 5)
    assert of_everybody(gauc_of(level, positive, people, people), 40) == 0.5
    assert of_everybody(auc_of(level, positive, people), 40) > 0.7


def test_ties_count_half():
    assert gauc([0.5, 0.5, 0.5], [1, 0, 0], [ANA] * 3) == 0.5
    assert gauc([0.5, 0.5, 0.1], [1, 0, 0], [ANA] * 3) == 0.75


def test_scores_that_are_not_finite_rank_last():
    assert gauc([np.nan, 0.1, 0.2], [1, 0, 0], [ANA] * 3) == 0.0
    assert gauc([np.inf, 0.1], [1, 0], [ANA] * 2) == 0.0
    assert gauc([np.nan, -np.inf], [1, 0], [ANA] * 2) == 0.5


@pytest.mark.parametrize("positive", [[True], [False], []])
def test_one_exposure_or_none_has_no_auc(positive):
    scores, people = np.full(len(positive), 0.5), np.zeros(len(positive), int)
    assert np.isnan(of_everybody(auc_of(scores, booleans(positive), people), len(positive)))
    assert np.isnan(of_everybody(gauc_of(scores, booleans(positive), people, people), len(positive)))


def test_a_group_without_exposures_has_no_auc_and_no_weight():
    found, exposures = auc_within(np.array([0, 0, 2]), np.array([0.2, 0.1, 0.3]), booleans([1, 0, 1]))
    assert found.tolist() == pytest.approx([1.0, np.nan, np.nan], nan_ok=True)
    assert exposures.tolist() == [2, 0, 1]


@pytest.mark.parametrize("seed", range(6))
def test_both_are_what_pairs_give_of_exposures_written_out_for_every_draw(seed):
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.concatenate([np.arange(9), rng.integers(0, 9, 40)]))
    scores, positive = rng.integers(0, 6, 49) / 5, rng.random(49) < 0.35
    scores[rng.integers(0, 49, 3)] = np.nan
    fast, within = auc_of(scores, positive, people), gauc_of(scores, positive, people, people)
    for chunk in person_draws(9, 20, seed):
        for drawn, whole, inner in zip(chunk, fast(chunk), within(chunk), strict=True):
            owners, theirs, outcomes = written_out(drawn, scores, positive, people=people)
            assert whole == pytest.approx(auc_by_pairs(theirs, outcomes), nan_ok=True)
            assert inner == pytest.approx(gauc_by_pairs(theirs, outcomes, owners), nan_ok=True)


def test_it_agrees_with_the_metric_that_other_parts_use():
    rng = np.random.default_rng(9)
    scores, positive = rng.normal(size=300), rng.random(300) < 0.1
    assert of_everybody(auc_of(scores, positive, np.arange(300)), 300) == pytest.approx(auc(scores, positive))


def test_on_one_surface_only_exposures_there_are_compared():
    people, within = np.zeros(4, int), np.array([0, 0, 1, 1])  # Ana on two surfaces
    scores, positive = np.array([0.9, 0.8, 0.2, 0.1]), booleans([1, 0, 1, 0])
    assert of_everybody(gauc_of(scores, positive, people, within), 1) == 1.0
    assert of_everybody(gauc_of(scores, positive, people, people), 1) == 0.75
