"""The listwise softmax: its gradient and information against finite differences, and a world whose weights it finds."""

import numpy as np
import pytest

from ranker.learning.softmax import FIRST_INFORMATION, Softmax, covariance, gradient, softmax

FEATURES, VIDEOS, STEP = 4, 7, 1e-5


@pytest.fixture
def chance():
    return np.random.default_rng(11)


def log_likelihood(weights, table, chosen):
    scores = weights @ table
    return scores[chosen] - np.log(np.exp(scores).sum())


def test_the_gradient_is_that_of_the_log_likelihood(chance):
    table, weights, chosen = chance.normal(size=(FEATURES, VIDEOS)), chance.normal(size=FEATURES), 3
    found = gradient(table, table @ softmax(weights @ table), chosen)
    differences = [
        (log_likelihood(weights + step, table, chosen) - log_likelihood(weights - step, table, chosen)) / (2 * STEP)
        for step in STEP * np.eye(FEATURES)
    ]
    assert found == pytest.approx(differences, abs=1e-8)


def test_the_information_is_how_the_gradient_changes(chance):
    table, weights = chance.normal(size=(FEATURES, VIDEOS)), chance.normal(size=FEATURES)

    def expected(moved):
        return table @ softmax(moved @ table)

    found = covariance(table, softmax(weights @ table), expected(weights))
    differences = [
        (expected(weights + step) - expected(weights - step)) / (2 * STEP) for step in STEP * np.eye(FEATURES)
    ]
    assert found == pytest.approx(np.array(differences), abs=1e-8)


def test_the_first_choice_takes_a_newton_step(chance):
    table = chance.normal(size=(FEATURES, VIDEOS)).astype(np.float32)
    model = Softmax(FEATURES)
    model.learn(table, model.scores(table), np.ones(VIDEOS, np.bool_), 2)
    mean, chances = table.mean(axis=1), np.full(VIDEOS, 1 / VIDEOS)
    information = FIRST_INFORMATION * np.eye(FEATURES) + covariance(table, chances, mean)
    assert model.weights == pytest.approx(np.linalg.solve(information, table[:, 2] - mean), rel=1e-4)


def test_videos_that_may_not_come_count_for_nothing(chance):
    table = chance.normal(size=(FEATURES, VIDEOS)).astype(np.float32)
    other = table.copy()
    other[:, 5] = 100
    may_come = np.arange(VIDEOS) != 5
    found = []
    for one in (table, other):
        model = Softmax(FEATURES)
        model.learn(one, model.scores(one), may_come, 2)
        found.append(model.weights)
    assert found[0].tolist() == found[1].tolist()


def test_it_finds_the_weights_by_which_a_world_chooses(chance):
    truth = np.array([1.5, -1.0, 0.0, 0.5])
    model = Softmax(FEATURES)
    everything = np.ones(VIDEOS, np.bool_)
    for _ in range(3000):
        table = chance.normal(size=(FEATURES, VIDEOS)).astype(np.float32)
        chosen = int(chance.choice(VIDEOS, p=softmax(truth @ table)))
        model.learn(table, model.scores(table), everything, chosen)
    assert model.weights == pytest.approx(truth, abs=0.12)


def test_a_feature_of_any_scale_is_learned_alike(chance):
    scale = np.array([[100.0], [1.0]], np.float32)
    plain, scaled = Softmax(2), Softmax(2)
    everything = np.ones(VIDEOS, np.bool_)
    for _ in range(1000):
        table = chance.normal(size=(2, VIDEOS)).astype(np.float32)
        chosen = int(chance.choice(VIDEOS, p=softmax(table[0].astype(np.float64))))
        for model, one in ((plain, table), (scaled, scale * table)):
            model.learn(one, model.scores(one), everything, chosen)
    assert 100 * scaled.weights[0] == pytest.approx(plain.weights[0], rel=0.05)


def test_a_feature_that_is_the_same_of_all_stays_as_it_was():
    model = Softmax(2)
    table = np.ones((2, VIDEOS), np.float32)
    table[1] = np.arange(VIDEOS)
    for _ in range(2000):
        model.learn(table, model.scores(table), np.ones(VIDEOS, np.bool_), VIDEOS - 1)
    assert model.weights[0] == pytest.approx(0, abs=1e-3)
    assert model.weights[1] > 1
    assert np.linalg.eigvalsh(model.information).min() > 0.99 * FIRST_INFORMATION


def test_scores_far_apart_overflow_nothing():
    assert softmax(np.array([-1e4, 0.0, 1e4, -np.inf], np.float32)).tolist() == [0, 0, 1, 0]
