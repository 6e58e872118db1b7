"""How good predictions are is counted of each new exposure once, by what was predicted before it was learned."""

import numpy as np
import pytest

from ranker.learning.gate import _loss
from ranker.learning.model import sigmoid
from ranker.profile.outcomes import FINISHED, HEADS, LIKED
from schemas.settings.model import Settings
from streams.learning.quality import WINDOW, ProgressiveQuality
from streams.learning.step import LearnOutcome, LearnStep, Predicted
from streams.metrics.measures import Measures
from tests.support.learning import EXAMPLES, FACTS, events, examples, new_state, records
from tests.support.metrics import page_of, sum_of


def outcome(logits: list[float], labels: list[int]) -> LearnOutcome:
    rows = np.repeat(np.array(logits)[:, None], len(HEADS), axis=1)
    return LearnOutcome(predicted=[Predicted(rows, np.array(labels, np.int64))], examples=len(labels))


def test_log_loss_calibration_and_auc_are_those_of_the_predictions() -> None:
    measures = Measures()
    quality = ProgressiveQuality(measures)
    quality.observe(outcome([2.0, -1.0], [FINISHED, FINISHED | LIKED]))
    quality.observe(outcome([0.5, -2.0], [0, LIKED]))
    page, chance = page_of(measures), sigmoid(np.array([2.0, -1.0, 0.5, -2.0]))
    finished = np.array([1.0, 1.0, 0.0, 0.0])
    assert sum_of(page, "freshet_learned_exposures_total") == 4
    assert sum_of(page, "freshet_learning_observed_total", outcome="finish") == 2
    assert sum_of(page, "freshet_learning_expected_total", outcome="finish") == pytest.approx(chance.sum())
    assert sum_of(page, "freshet_learning_log_loss_total", outcome="finish") == pytest.approx(
        _loss(chance, finished).sum()
    )
    assert sum_of(page, "freshet_learning_auc", outcome="finish") == pytest.approx(0.75)  # 3 of 4 pairs are right
    assert sum_of(page, "freshet_learning_auc", outcome="like") == 0.0
    assert 'freshet_learning_auc{outcome="skip"}' not in page  # nobody skipped
    figures = quality.figures()
    assert figures["auc_finish"] == pytest.approx(0.75) and "auc_skip" not in figures
    assert figures["log_loss_finish"] == pytest.approx(_loss(chance, finished).mean())
    assert figures["calibration_finish"] == pytest.approx(2 / chance.sum()) and figures["calibration_skip"] == 0.0


def test_there_are_no_figures_before_the_first_exposure() -> None:
    quality = ProgressiveQuality(Measures())
    quality.observe(LearnOutcome())
    assert quality.figures() == {}


def test_the_auc_is_of_the_newest_exposures() -> None:
    measures = Measures()
    quality = ProgressiveQuality(measures)
    wrong = outcome([3.0, -3.0] * (WINDOW // 2), [0, FINISHED] * (WINDOW // 2))
    right = outcome([3.0, -3.0] * (WINDOW // 2), [FINISHED, 0] * (WINDOW // 2))
    quality.observe(wrong)
    assert sum_of(page_of(measures), "freshet_learning_auc", outcome="finish") == 0.0
    quality.observe(right)
    assert sum_of(page_of(measures), "freshet_learning_auc", outcome="finish") == 1.0
    assert quality.figures()["auc_finish"] == 1.0


def test_what_the_step_learns_of_is_counted_once() -> None:
    measures, found = Measures(), examples(events(40))
    quality, state = ProgressiveQuality(measures), new_state()
    step = LearnStep(Settings(), {0: state}, FACTS)
    for poll in (records(found[:30], 7), records(found, 11)):  # the first thirty are redelivered
        quality.observe(step.apply([((EXAMPLES, 0), poll)]))
    page, new = page_of(measures), [one for one in found if one.is_first]
    assert 0 < sum_of(page, "freshet_learned_exposures_total") == len(new)
    finished = sum(bool(one.labels & FINISHED) for one in new)
    assert sum_of(page, "freshet_learning_observed_total", outcome="finish") == finished
    assert sum_of(page, "freshet_rejected_exposures_total") == 0
