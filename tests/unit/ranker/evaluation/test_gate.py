"""A gate passes what it asks for, says in a sentence what it does not, and names the key that is malformed."""

import pytest

from ranker.evaluation.bootstrap import Estimate
from ranker.evaluation.figures import FIGURES
from ranker.evaluation.gate import Bound, Comparison, GateError, failures, read_gate
from ranker.evaluation.result import Evaluation, HeadResult, Sizes
from ranker.profile.outcomes import HEADS

SIZES = Sizes(10, 5, 100, 0, dict.fromkeys(HEADS, 0.5), {}, {})
NONE = Estimate(float("nan"))


def evaluated(difference: Estimate = NONE, **figures: float) -> Evaluation:
    """An evaluation with these figures for every head, and one baseline that differs by this in each."""
    shown = {figure.key: Estimate(figures.get(figure.key, float("nan"))) for figure in FIGURES}
    heads = {head: HeadResult(shown, {}) for head in HEADS}
    differences = {"item rate": {head: {figure.key: difference for figure in FIGURES} for head in HEADS}}
    return Evaluation("ours", SIZES, heads, {"item rate": heads}, differences)


def failed(gate: str, evaluation: Evaluation) -> list[str]:
    return failures(read_gate(gate), evaluation)


def test_a_gate_is_read_in_its_order():
    gate = """
        [finish]
        auc = { at_least = 0.74 }
        ece = { at_most = 1 }
        [finish.against."item rate"]
        auc = "better"
    """
    assert read_gate(gate) == (
        Bound("finish", "auc", "at_least", 0.74),
        Bound("finish", "ece", "at_most", 1.0),
        Comparison("finish", "auc", "item rate", "better"),
    )


@pytest.mark.parametrize(("auc", "passes"), [(0.75, True), (0.74, True), (0.7399, False)])
def test_a_figure_has_to_reach_its_bound(auc, passes):
    assert (failed("finish.auc.at_least = 0.74", evaluated(auc=auc)) == []) is passes


def test_a_figure_may_be_what_it_may_be_at_most():
    assert failed("finish.ece.at_most = 0.01", evaluated(ece=0.01)) == []


def test_what_failed_is_a_sentence_each():
    gate = "[like]\nece = { at_most = 0.01 }\nauc = { at_least = 0.7, at_most = 0.72 }"
    assert failed(gate, evaluated(ece=0.02, auc=0.73)) == [
        "like: ECE is 0.02; at most 0.01 is asked.",
        "like: AUC is 0.73; at most 0.72 is asked.",
    ]


def test_a_figure_that_there_is_not_fails():
    assert failed("skip.ece.at_most = 1", evaluated()) == ["skip: there is no ECE; at most 1 is asked."]


@pytest.mark.parametrize(
    ("difference", "better", "not_worse"),
    [
        (Estimate(0.02, 0.01, 0.03), True, True),
        (Estimate(0.02, -0.01, 0.05), False, True),
        (Estimate(-0.02, -0.03, -0.01), False, False),
        (Estimate(0.0, 0.0, 0.0), False, True),
        (NONE, False, False),
        (Estimate(0.5), False, False),  # without draws nothing is known
    ],
)
def test_better_and_not_worse_go_by_the_interval_of_the_difference(difference, better, not_worse):
    gate = '[finish.against."item rate"]\nauc = "{}"'
    assert (failed(gate.format("better"), evaluated(difference)) == []) is better
    assert (failed(gate.format("not worse"), evaluated(difference)) == []) is not_worse


def test_of_an_error_less_is_better():
    gate = '[finish.against."item rate"]\nlogloss = "better"'
    assert failed(gate, evaluated(Estimate(-0.02, -0.03, -0.01))) == []
    assert failed(gate, evaluated(Estimate(0.02, 0.01, 0.03))) == [
        "finish: log loss is not better than that of item rate; the difference is 0.020 (0.010 to 0.030)."
    ]


def test_a_baseline_that_was_not_run_fails():
    assert failed('[finish.against.als]\nauc = "better"', evaluated()) == [
        'finish: no baseline is called "als", so AUC cannot be compared; there is item rate.'
    ]


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("finish.auc = ", "The gate is not TOML"),
        ("", "The gate has no rule"),
        ("[finish]", "The gate has no rule"),
        ("[finnish]\nauc = { at_least = 1 }", "finnish is not known; did you mean finish?"),
        ("finish = 3", "finish has value 3; a table is needed"),
        ("finish.acu.at_least = 1", r"finish\.acu is not known; did you mean auc\?"),
        ("finish.zzz.at_least = 1", r"finish\.zzz is not known; it may be auc, gauc"),
        ("finish.auc = 0.7", r"finish\.auc has value 0\.7; a table is needed"),
        ("finish.auc = {}", r"finish\.auc is empty"),
        ("finish.auc.atleast = 1", r"finish\.auc\.atleast is not known; did you mean at_least\?"),
        ("finish.auc.at_least = '0.7'", r"finish\.auc\.at_least has value '0\.7'; a finite number"),
        ("finish.auc.at_least = true", r"finish\.auc\.at_least has value True; a finite number"),
        ("finish.auc.at_least = nan", r"finish\.auc\.at_least has value nan; a finite number"),
        ("finish.against = 1", r"finish\.against has value 1; a table"),
        ("finish.against.als = 1", r'finish\.against\."als" has value 1; a table'),
        ("finish.against.als.auc = 1", r'finish\.against\."als"\.auc has value 1; "better" or "not worse"'),
        ("finish.against.als.auc = ['better']", r'finish\.against\."als"\.auc has value \[\'better\'\]'),
        ("finish.against.als.acu = 'better'", r'finish\.against\."als"\.acu is not known; did you mean auc'),
    ],
)
def test_a_malformed_gate_is_refused_by_the_name_of_its_key(gate, said):
    with pytest.raises(GateError, match=said):
        read_gate(gate)
