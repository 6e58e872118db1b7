"""What is printed says first what is better than what, and what cannot be told apart."""

import numpy as np
import pytest

from ranker.evaluation.evaluate import evaluate
from ranker.evaluation.summary import summary
from ranker.evaluation.table import LEGEND, text_report, text_table
from tests.support.predictions import exposures_of, noisy_model, random_exposures, scores_of, without_calibration


@pytest.fixture(scope="module")
def found():
    exposures, logits = random_exposures(1500, 300, seed=1)
    ours = noisy_model("ours", logits, 1.0, seed=2)
    others = [("twin", 1.0), ("far", 4.0), ("oracle", 0.0)]
    baselines = [noisy_model(name, logits, noise, seed=2) for name, noise in others]
    return evaluate(exposures, ours, baselines, draws=60)


def sentence(found, start):
    (said,) = [one for one in summary(found) if one.startswith(start)]
    return said


def test_a_sentence_tells_better_from_worse_from_undecided(found):
    said = sentence(found, "finish, AUC")
    better, undecided, worse = said.split("; ")
    assert "better than far (by 0." in better
    assert undecided == "cannot be told apart from twin (difference 0.000, 0.000 to 0.000)"
    assert worse.startswith("worse than oracle (by 0.")


def test_of_many_baselines_the_closest_are_named():
    exposures, logits = random_exposures(600, 100, seed=1)
    baselines = [noisy_model(f"noise {noise}", logits, noise, seed=3) for noise in (9, 8, 7, 6, 2)]
    said = sentence(evaluate(exposures, noisy_model("ours", logits, 0.1, 2), baselines, draws=30), "finish, AUC")
    assert "better than noise 2 (by" in said and said.endswith("and 2 more.")


def test_what_was_evaluated_is_said_first(found):
    assert summary(found)[0].startswith("ours was evaluated on 1,500 exposures of 300 people; ")


def test_where_an_outcome_never_happened_no_figure_is_claimed():
    found = evaluate(exposures_of([0, 0], [0, 0]), scores_of("ours", [0.5, 0.6]), [scores_of("b", [0.5, 0.5])], draws=5)
    assert "like: there is no AUC, since there are not both outcomes to compare." in summary(found)
    assert "nan" not in text_report(found)


def test_scores_that_are_no_numbers_are_said():
    found = evaluate(exposures_of([0, 0], [0, 1]), scores_of("ours", [np.nan, 0.6]), draws=5)
    assert "6 scores of ours are no finite numbers; they rank last." in summary(found)


def test_a_bare_score_is_not_said_to_be_calibrated():
    exposures, logits = random_exposures(100, 30, seed=1)
    found = evaluate(exposures, without_calibration(noisy_model("ours", logits, 1, 1)), draws=5)
    assert any("are no probabilities" in one for one in summary(found))


def test_a_table_has_a_row_for_each_model_and_marks_them(found):
    header, ours, *others = text_table(found, "finish").splitlines()
    assert header.split()[0] == "finish" and "same" not in header
    assert ours.startswith("ours ") and not any(mark in ours for mark in "+=")
    assert [row.split()[0] for row in others] == ["twin", "far", "oracle"]
    assert (others[0].count("="), others[1].count("+")) == (4, 4)
    assert others[2].split("  ")[0] == "oracle" and " -" in others[2]


def test_the_report_ends_with_what_its_marks_mean(found):
    assert text_report(found).endswith(LEGEND + "\n")
    assert max(map(len, text_table(found, "finish").splitlines())) <= 130
