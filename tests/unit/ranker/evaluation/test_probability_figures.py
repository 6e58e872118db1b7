"""Log loss, ECE and what is predicted at a threshold give what can be counted by hand, in every draw of people."""

from math import log

import numpy as np
import pytest

from ranker.evaluation.bootstrap import person_draws
from ranker.evaluation.probability_figures import (
    BINS,
    are_probabilities,
    best_threshold,
    ece_of,
    equal_mass_bins,
    logloss_of,
    observed_of,
    threshold_figures,
)
from tests.unit.ranker.evaluation.brute_force import written_out

ALONE = np.ones((1, 1))


def floats(*values):
    return np.array(values, float)


def booleans(*values):
    return np.array(values, bool)


def of_one_person(statistic):
    return float(statistic(ALONE)[0])


def nobody(count):
    return np.zeros(count, int)


def test_log_loss_is_the_mean_cost_of_what_happened():
    found = of_one_person(logloss_of(floats(0.8, 0.4), booleans(1, 0), nobody(2)))
    assert found == pytest.approx(-(log(0.8) + log(0.6)) / 2)


@pytest.mark.parametrize(("given", "happened", "cost"), [(0.0, True, 34.539), (1.0, False, 34.539), (1.0, True, 0.0)])
def test_a_certainty_costs_much_but_not_everything(given, happened, cost):
    assert of_one_person(logloss_of(floats(given), booleans(happened), nobody(1))) == pytest.approx(cost, abs=1e-3)


def test_bins_hold_about_as_many_exposures_each():
    counts = np.bincount(equal_mass_bins(np.random.default_rng(0).random(3000)))
    assert len(counts) == BINS and counts.min() == counts.max() == 200


def test_equal_probabilities_are_in_one_bin_whatever_their_order():
    probability = np.repeat([0.3, 0.1, 0.3, 0.7], [200, 5, 100, 200])
    bins = equal_mass_bins(probability)
    assert [len(set(bins[probability == value])) for value in (0.1, 0.3, 0.7)] == [1, 1, 1]
    assert (equal_mass_bins(probability[::-1])[::-1] == bins).all()


def test_one_probability_for_all_is_as_wrong_as_it_differs_from_the_rate():
    positive = booleans(*[1] * 3, *[0] * 7)
    assert of_one_person(ece_of(np.full(10, 0.5), positive, nobody(10))) == pytest.approx(0.2)
    assert of_one_person(ece_of(np.full(10, 0.3), positive, nobody(10))) == pytest.approx(0.0)


def test_errors_of_two_bins_do_not_cancel():
    probability = np.repeat([0.4, 0.6], 10)
    positive = booleans(*[1] * 6, *[0] * 4, *[1] * 4, *[0] * 6)  # 0.6 and 0.4 happened
    assert of_one_person(ece_of(probability, positive, nobody(20))) == pytest.approx(0.2)


def test_threshold_figures_by_hand():
    score, positive = floats(0.9, 0.8, 0.5, 0.4, np.nan), booleans(1, 0, 1, 1, 0)
    found = {key: of_one_person(one) for key, one in threshold_figures(score, positive, nobody(5), 0.5).items()}
    assert found == pytest.approx({"accuracy": 3 / 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3})


def test_without_predictions_there_is_no_precision_and_without_outcomes_no_recall():
    found = threshold_figures(floats(0.1, 0.2), booleans(0, 0), nobody(2), 0.5)
    assert of_one_person(found["accuracy"]) == 1.0
    assert [key for key, one in found.items() if np.isnan(of_one_person(one))] == ["precision", "recall", "f1"]


def f1(score, positive, threshold):
    predicted = score >= threshold
    return 2 * (predicted & positive).sum() / (predicted.sum() + positive.sum())


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_better_f1(seed):
    rng = np.random.default_rng(seed)
    score, positive = rng.integers(0, 20, 60) / 20, rng.random(60) < 0.3
    chosen = best_threshold(score, positive)
    every = {value: f1(score, positive, value) for value in np.unique(score)}
    assert chosen == max(value for value, found in every.items() if found == max(every.values()))


def test_without_an_outcome_nothing_is_predicted():
    assert best_threshold(floats(0.2, 0.4), booleans(0, 0)) == best_threshold(floats(), booleans()) == float("inf")
    assert best_threshold(floats(np.nan, 0.4), booleans(1, 0)) == float("inf")


@pytest.mark.parametrize(("values", "are"), [([0, 1, 0.5], True), ([np.nan], False), ([1.1], False), ([-0.1], False)])
def test_what_lies_outside_of_0_and_1_is_no_probability(values, are):
    assert are_probabilities(floats(*values)) is are


@pytest.mark.parametrize("seed", range(4))
def test_every_draw_is_as_if_its_exposures_were_written_out(seed):
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.concatenate([np.arange(8), rng.integers(0, 8, 60)]))
    probability, positive = rng.random(68), rng.random(68) < 0.4
    bins = equal_mass_bins(probability)
    loss, error = logloss_of(probability, positive, people), ece_of(probability, positive, people)
    observed, at_half = (
        observed_of(probability, positive, people),
        threshold_figures(probability, positive, people, 0.5),
    )
    for chunk in person_draws(8, 10, seed):
        for place, drawn in enumerate(chunk):
            _, given, happened, inside = written_out(drawn, probability, positive, bins, people=people)
            costs = [-log(one) if up else -log(1 - one) for one, up in zip(given, happened, strict=True)]
            gaps = [abs((given[inside == one] - happened[inside == one]).sum()) for one in range(BINS)]
            shares = [happened[inside == one].mean() if (inside == one).any() else np.nan for one in range(BINS)]
            assert loss(chunk)[place] == pytest.approx(np.mean(costs))
            assert error(chunk)[place] == pytest.approx(sum(gaps) / len(given))
            assert observed(chunk)[place].tolist() == pytest.approx(shares, nan_ok=True)
            assert at_half["f1"](chunk)[place] == pytest.approx(f1(given, happened, 0.5))


@pytest.mark.parametrize("statistic", [logloss_of, ece_of])
def test_no_exposures_have_no_figure(statistic):
    assert np.isnan(statistic(floats(), booleans(), nobody(0))(np.ones((1, 0)))).all()
