"""An evaluation compares models on the same draws, and its result is the JSON that was promised."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ranker.evaluation.evaluate import Training, evaluate
from ranker.evaluation.figures import FIGURES, GROUPS, verdict_on
from ranker.evaluation.result import as_json
from ranker.profile.outcomes import HEADS
from schemas.messages.fields import DAY_MS
from tests.support.predictions import (
    FIRST_MS,
    exposures_of,
    noisy_model,
    random_exposures,
    scores_of,
    without_calibration,
)

DRAWS = 60
KEYS = [figure.key for figure in FIGURES]


@pytest.fixture(scope="module")
def world():
    return random_exposures(1500, 300, seed=1)


@pytest.fixture(scope="module")
def found(world):
    exposures, logits = world
    ours = noisy_model("ours", logits, 0.3, seed=2)
    baselines = [noisy_model("close", logits, 0.32, seed=3), noisy_model("far", logits, 2.0, seed=4)]
    return evaluate(exposures, ours, baselines, draws=DRAWS)


def verdict(evaluation, baseline, head, key):
    figure = next(one for one in FIGURES if one.key == key)
    return verdict_on(figure, evaluation.differences[baseline][head][key])


def test_a_model_that_knows_more_is_better_by_every_main_figure(found):
    assert {verdict(found, "far", head, key) for head in HEADS for key in ("auc", "gauc", "logloss", "ece")} == {
        "better"
    }


def test_seen_from_the_other_side_it_is_worse(world):
    exposures, logits = world
    far, ours = noisy_model("far", logits, 2.0, seed=4), noisy_model("ours", logits, 0.3, seed=2)
    swapped = evaluate(exposures, far, [ours], draws=DRAWS)
    assert {verdict(swapped, "ours", head, key) for head in HEADS for key in ("auc", "logloss")} == {"worse"}


def test_a_model_cannot_be_told_apart_from_itself(world):
    exposures, logits = world
    ours = noisy_model("ours", logits, 0.3, seed=2)
    twin = evaluate(exposures, ours, [replace(ours, name="twin")], draws=DRAWS).differences["twin"]
    assert {tuple(one) for figures in twin.values() for one in figures.values()} == {(0.0, 0.0, 0.0)}


def test_a_paired_difference_is_surer_than_the_figures(found):
    def width(estimate):
        return estimate.high - estimate.low

    for head in HEADS:
        difference = found.differences["close"][head]["auc"]
        assert width(difference) < 0.6 * width(found.heads[head].figures["auc"])


def test_a_difference_is_the_difference_of_the_figures(found):
    for head in HEADS:
        for key in KEYS:
            difference = found.differences["far"][head][key].value
            both = found.heads[head].figures[key].value - found.baselines["far"][head].figures[key].value
            assert difference == pytest.approx(both)


def test_the_json_has_the_promised_form(found):
    written = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert {"heads", "ranking", "slates", "baselines", "differences"} <= set(written)
    assert list(written["heads"]) == list(HEADS)
    for models in (written, written["baselines"]["far"]):
        for head in HEADS:
            assert [len(models["heads"][head][key]) for key in KEYS] == [3] * len(KEYS)
            assert list(models["heads"][head]["groups"]) == [group.key for group in GROUPS]
    assert [len(one) for one in written["differences"]["far"]["like"].values()] == [3] * len(KEYS)


def test_every_interval_is_around_its_figure(found):
    for heads in found.models.values():
        for result in heads.values():
            assert all(one.low <= one.value <= one.high for one in result.figures.values())


def test_the_same_input_gives_the_same_json(world, found):
    exposures, logits = world
    again = evaluate(exposures, noisy_model("ours", logits, 0.3, seed=2), draws=DRAWS)
    assert as_json(again)["heads"] == as_json(found)["heads"]


def test_what_the_caller_hands_in_is_written_as_it_is(world):
    exposures, logits = world
    ours = noisy_model("ours", logits, 0.3, seed=2)
    given = evaluate(exposures, ours, ranking={"HR@10": (0.07, 0.06, float("nan"))}, slates={"coverage": 0.3}, draws=1)
    assert (as_json(given)["ranking"], as_json(given)["slates"]) == ({"HR@10": [0.07, 0.06, None]}, {"coverage": 0.3})
    without = as_json(evaluate(exposures, ours, draws=1))
    assert without["ranking"] is None and without["slates"] is None


def test_people_may_be_numbered_with_gaps(world):
    exposures, logits = world
    ours = noisy_model("ours", logits, 0.3, seed=2)
    spread = replace(exposures, people=exposures.people * 1000 + 7)
    assert as_json(evaluate(spread, ours, draws=5)) == as_json(evaluate(exposures, ours, draws=5))


def test_the_main_gauc_is_of_held_scores_and_the_plain_one_of_probabilities():
    exposures = exposures_of([0, 0, 0], [1, 0, 0])
    figures = evaluate(exposures, scores_of("ours", [0.9, 0.5, 0.1], [0.1, 0.5, 0.9]), draws=1).heads["like"].figures
    assert (figures["gauc"].value, figures["gauc_plain"].value) == (0.0, 1.0)


def test_on_one_surface_held_scores_are_compared_within_each_surface():
    exposures = exposures_of([0, 0, 0, 0], [1, 0, 1, 0], surfaces=[0, 0, 1, 1])
    figures = evaluate(exposures, scores_of("ours", [0.5] * 4, [0.9, 0.8, 0.2, 0.1]), draws=1).heads["like"].figures
    assert (figures["gauc_surface"].value, figures["gauc"].value) == (1.0, 0.75)


def test_the_interval_of_a_small_calibration_error_is_around_it(world):
    exposures, logits = world
    found = evaluate(exposures, noisy_model("truth", logits, 0.0, seed=2), draws=200).heads["finish"].figures["ece"]
    middle = (found.low + found.high) / 2  # of draws as they are it would be a quarter greater
    assert middle == pytest.approx(found.value, rel=0.15)


def test_people_are_grouped_by_what_they_did_before():
    groups = [0, 0, 1, 3, 4, 15, 16, 900]
    exposures = exposures_of(range(8), [1, 0] * 4, groups=groups)
    found = evaluate(exposures, scores_of("ours", [0.9, 0.1, 0.1, 0.9, 0.5, 0.5, 0.8, 0.2]), draws=1)
    assert {key: one.value for key, one in found.heads["skip"].groups.items()} == {
        "0": 1.0, "1-3": 0.0, "4-15": 0.5, "16+": 1.0,
    }  # fmt: skip
    assert found.sizes.groups == {"0": 2, "1-3": 2, "4-15": 2, "16+": 2}


def test_a_bare_score_has_an_order_but_no_log_loss_and_no_calibration(world):
    exposures, logits = world
    bare = without_calibration(noisy_model("bare", logits, 0.3, seed=2))
    result = evaluate(exposures, bare, draws=2).heads["finish"]
    assert {key for key, one in result.figures.items() if np.isnan(one.value)} == {"logloss", "ece"}
    assert result.calibration == ()


def test_a_missing_score_is_counted_and_leaves_no_log_loss():
    exposures = exposures_of([0, 0, 1], [1, 0, 1])
    found = evaluate(exposures, scores_of("ours", [np.nan, 0.5, 0.1]), draws=2)
    assert found.sizes.unusable == {"ours": 2 * 3}
    assert np.isnan(found.heads["finish"].figures["logloss"].value)
    assert found.heads["finish"].figures["auc"].value == 0.0


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_nothing_gives_null_and_no_error(count):
    exposures = exposures_of([0] * count, [1] * count)
    written = as_json(evaluate(exposures, scores_of("ours", [0.5] * count), [scores_of("b", [0.4] * count)], draws=5))
    json.dumps(written, allow_nan=False)
    assert written["heads"]["finish"]["auc"] == [None, None, None]
    assert written["differences"]["b"]["finish"]["gauc"] == [None, None, None]


def test_the_learning_curve_counts_days_from_the_first_test_moment():
    labels, people = [1, 0, 1, 0], [0, 1, 2, 3]
    exposures = exposures_of(people, labels)
    later = replace(exposures, at_ms=FIRST_MS + np.array([0, DAY_MS - 1, DAY_MS, DAY_MS + 5]))
    before = replace(exposures, at_ms=FIRST_MS - np.array([DAY_MS, DAY_MS, 1, 1]))
    before = replace(before, people=before.people + 10**12)
    ours = scores_of("ours", [0.9, 0.1, 0.1, 0.1])
    days = evaluate(later, ours, training=Training(before, [ours]), draws=20).heads["finish"].days
    assert [((day.start_ms - FIRST_MS) // DAY_MS, day.auc.value, day.is_training) for day in days] == [
        (-1, 0.75, True), (0, 1.0, False), (1, 0.5, False),
    ]  # fmt: skip
    assert [np.isnan(day.auc.low) for day in days] == [True, False, False]


def test_bins_say_what_was_predicted_and_what_happened(found, world):
    bins = found.heads["finish"].calibration
    assert sum(one.exposures for one in bins) == len(world[0])
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)
    happened = sum(one.observed.value * one.exposures for one in bins) / len(world[0])
    assert happened == pytest.approx(found.sizes.positives["finish"])


def test_two_models_of_one_name_are_refused():
    exposures, ours = exposures_of([0], [1]), scores_of("ours", [0.5])
    with pytest.raises(ValueError, match="Two models are called 'ours'"):
        evaluate(exposures, ours, [ours])


def test_scores_of_other_exposures_are_refused():
    with pytest.raises(ValueError, match=r"b.probability has shape \(2, 3\); \(1, 3\) is needed"):
        evaluate(exposures_of([0], [1]), scores_of("ours", [0.5]), [scores_of("b", [0.5, 0.4])])


def test_too_few_thresholds_are_refused():
    with pytest.raises(ValueError, match="ours has 1 thresholds"):
        evaluate(exposures_of([0], [1]), replace(scores_of("ours", [0.5]), thresholds=[0.5]))
