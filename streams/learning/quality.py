"""How good the learner's predictions are: of each exposure it is asked before it learns what came of it."""

import numpy as np

from ranker.evaluation.metrics import auc
from ranker.learning.model import Floats, sigmoid
from ranker.profile.outcomes import HEADS
from streams.learning.step import LearnOutcome
from streams.metrics.measures import Measures, Readings

WINDOW = 10_000  # exposures that the figures are of
LEAST_CHANCE = 1e-7
HEAD_BITS = np.arange(len(HEADS))


class ProgressiveQuality:
    """Predictions of the newest exposures, and what came of them."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._newest: list[tuple[Floats, Floats]] = []  # probabilities and labels [n, H]; replaced, never changed
        self._figures: tuple[object, dict[str, float]] = (self._newest, {})  # and what they are of
        measures.gauge("freshet_learning_auc", self._auc)

    def observe(self, outcome: LearnOutcome) -> None:
        """Take in what one batch of examples came to."""
        self._measures.count("freshet_rejected_exposures_total", outcome.rejected)
        logits = [one.logits for one in outcome.predicted if len(one.logits)]
        if logits:
            bits = np.concatenate([one.labels for one in outcome.predicted])
            self._observe(sigmoid(np.concatenate(logits)), (bits[:, None] >> HEAD_BITS & 1).astype(np.float64))

    def _observe(self, chance: Floats, labels: Floats) -> None:
        measures = self._measures
        measures.count("freshet_learned_exposures_total", len(chance))
        loss = _log_loss(chance, labels).sum(axis=0)
        for head, name in enumerate(HEADS):
            measures.count("freshet_learning_log_loss_total", float(loss[head]), outcome=name)
            measures.count("freshet_learning_expected_total", float(chance[:, head].sum()), outcome=name)
            measures.count("freshet_learning_observed_total", float(labels[:, head].sum()), outcome=name)
        newest = [*self._newest, (chance, labels)]
        while len(newest) > 1 and sum(len(one) for one, _ in newest[1:]) >= WINDOW:
            del newest[0]
        self._newest = newest

    def figures(self) -> dict[str, float]:
        """Of the newest exposures, by outcome: `auc_…`, `log_loss_…` in nats, `calibration_…`, observed by expected.

        Another thread may ask. An AUC is absent while all came out the same.
        """
        newest, (known, figures) = self._newest, self._figures
        if newest is not known:
            figures = _figures(*(np.concatenate([pair[side] for pair in newest]) for side in (0, 1)))
            self._figures = newest, figures
        return figures

    def _auc(self) -> Readings:
        figures = self.figures()
        return [((name,), figures[f"auc_{name}"]) for name in HEADS if f"auc_{name}" in figures]


def _figures(chance: Floats, labels: Floats) -> dict[str, float]:
    loss, calibration = _log_loss(chance, labels).mean(axis=0), labels.sum(axis=0) / chance.sum(axis=0)
    found = {f"auc_{name}": auc(chance[:, head], labels[:, head] > 0) for head, name in enumerate(HEADS)}
    found |= {f"log_loss_{name}": float(loss[head]) for head, name in enumerate(HEADS)}
    found |= {f"calibration_{name}": float(calibration[head]) for head, name in enumerate(HEADS)}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _log_loss(chance: Floats, labels: Floats) -> Floats:
    kept = np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)
    return np.asarray(-np.log(np.where(labels > 0, kept, 1 - kept)))
