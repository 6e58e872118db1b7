"""The bootstrap draws people with all their exposures, the same for every model, and says how sure a figure is."""

import numpy as np
import pytest

from ranker.evaluation.bootstrap import (
    CHUNK,
    Estimate,
    divide,
    estimate,
    person_draws,
    ratio,
    sample,
    without_bias,
)


def test_the_first_draw_is_everybody_once_and_every_draw_has_as_many_people():
    drawn = np.concatenate(list(person_draws(50, 2 * CHUNK + 3, seed=1)))
    assert drawn.shape == (1 + 2 * CHUNK + 3, 50)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == 50).all() and (drawn[1:] != 1).any()


def test_draws_are_the_same_for_the_same_seed_alone():
    first, same, other = (np.concatenate(list(person_draws(20, 40, seed))) for seed in (3, 3, 4))
    assert (first == same).all() and (first != other).any()


def test_more_draws_begin_with_the_same_ones():
    few, many = (np.concatenate(list(person_draws(9, draws, seed=0))) for draws in (5, 40))
    assert (many[: len(few)] == few).all()


def test_all_statistics_see_the_same_draws():
    found = sample({"first": lambda drawn: drawn[:, 0], "again": lambda drawn: drawn[:, 0]}, 10, 50, seed=2)
    assert (found["first"] == found["again"]).all() and len(found["first"]) == 51


def test_an_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = []
    for repeat in range(200):
        values = rng.exponential(size=80)
        found = estimate(sample({0: ratio(values, np.ones(80))}, 80, 300, seed=repeat)[0])
        held.append(found.low <= 1.0 <= found.high)
    assert 0.87 < np.mean(held) < 0.98  # 0.95 is promised for large samples


def test_draws_without_a_value_are_left_out():
    assert estimate(np.array([1.0, np.nan, 2.0, 2.0])) == Estimate(1.0, 2.0, 2.0)


@pytest.mark.parametrize("values", [[np.nan, 1.0, 2.0], [0.5, np.nan], [0.5]])
def test_without_a_figure_or_without_draws_there_is_no_interval(values):
    found = estimate(np.array(values))
    assert np.isnan(found.low) and np.isnan(found.high)
    assert found.value == pytest.approx(values[0], nan_ok=True)


def test_a_mean_that_draws_exaggerate_is_moved_back_and_not_below_zero():
    moved = without_bias(np.array([1.0, 0.5, 5.0, 3.5]))
    assert moved.tolist() == [1.0, 0.0, 3.0, 1.5]


def test_values_that_are_all_missing_stay_missing():
    assert np.isnan(without_bias(np.array([np.nan, np.nan]))).all()


def test_nothing_divided_by_nothing_is_no_figure():
    assert divide(np.array([0.0, 1.0]), np.array([0.0, 4.0])).tolist() == pytest.approx([np.nan, 0.25], nan_ok=True)
