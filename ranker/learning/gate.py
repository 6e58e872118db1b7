"""A gate on what is learned: parameters that predict badly what comes next are given up for the last good ones.

Exposures are judged in windows. Somebody who floods a system with labels, or an app that sends wrong ones, shows in how
far outcomes lie from what was predicted; parameters that went astray show in a worse log loss than the good ones have.
"""

from typing import NamedTuple

import numpy as np

from ranker.learning.columns import grown
from ranker.learning.features import features, overall_rates, person_features, person_numbers
from ranker.learning.learner import LearnedBatch
from ranker.learning.model import Floats, sigmoid
from ranker.learning.parameters import COUNTS, EFFECT, WIDTH, H, Parameters, Rows
from ranker.profile.outcomes import HEADS

WINDOW = 100  # exposures that are judged together, or more where one poll brings them
JUDGED_FROM = 2000  # exposures: before, too little is known to find anything odd
MOST_SURPRISE = 8.0  # standard deviations between outcomes and predictions, and at the same time
MOST_SHIFT = 0.08  # of an outcome's share
MOST_LOSS = 0.2  # nats an exposure above the last good parameters
PATIENCE_S = 2 * 3600  # of event time: what is odd for longer,
ODD_WINDOWS = 10  # and in as many windows in a row, is how people are
NO_NUMBERS = "what was learned is no number"
MOST_JUDGED, JUDGED_EVERY = 32, 4  # exposures of a larger batch: to predict them twice costs a quarter of learning
LEAST_CHANCE = 1e-7


class Rejected(NamedTuple):
    """Why a window was given up, and the rows that have their last good values again."""

    why: str
    exposures: int
    rows: Rows


class Gate:
    """Watches parameters being learned. `note` each batch before it is learned, then `judge`.

    parameters  changed by the learner, and taken back here
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._odd_since = self._odd_windows = 0  # tick of the first odd window in a row, and how many they are
        self._place = np.zeros(0, np.int64)  # by row one more than where its good values are kept; 0: it is unchanged
        self._rows: list[Rows] = []
        self._kept = np.zeros((0, WIDTH))  # those
        self._begin()

    def _begin(self) -> None:
        """Call the present parameters good."""
        parameters = self._parameters
        self._exposures = self._judged = 0
        self._observed, self._expected, self._variance = np.zeros((3, H))
        self._loss_above = np.zeros(H)
        self._place[self._changed()] = 0
        self._rows, self._used = [], 0
        self._totals, self._weights = parameters.totals.copy(), parameters.weights.copy()
        self._covariance = parameters.covariance.copy()

    def note(self, batch: LearnedBatch) -> None:
        """Keep what the batch will change, and note how well the good parameters and the present ones predict it."""
        self._save(batch.predicted.rows.ravel())
        outcomes = batch.outcomes
        self._exposures += int(outcomes.counted.sum())
        judged = np.arange(0, len(batch.opened), JUDGED_EVERY if len(batch.opened) > MOST_JUDGED else 1)
        good, present = self._good_chance(batch, judged), batch.predicted.probability[judged]
        labels, learned, new = outcomes.labels[judged], outcomes.learned[judged], outcomes.counted[judged]
        self._judged += int(new.sum())
        self._observed += (labels * learned).sum(axis=0)  # a like that is told later counts where it is told
        self._expected += good[new].sum(axis=0)
        self._variance += (good * (1 - good))[new].sum(axis=0)
        self._loss_above += ((_loss(present, labels) - _loss(good, labels)) * learned).sum(axis=0)

    def _save(self, rows: Rows) -> None:
        parameters = self._parameters
        if len(self._place) < len(parameters.effect):
            self._place = grown(self._place, len(parameters.effect))
        new = np.unique(rows[self._place[rows] == 0])
        used = slice(self._used, self._used + len(new))
        if used.stop > len(self._kept):
            self._kept = grown(self._kept, 2 * used.stop)
        self._kept[used] = parameters.numbers(new)
        self._place[new] = np.arange(used.start, used.stop) + 1
        self._rows.append(new)
        self._used = used.stop

    def _changed(self) -> Rows:
        """The rows that were changed since the parameters were good, as their values are kept."""
        return np.concatenate([np.zeros(0, np.int64), *self._rows])

    def _good_chance(self, batch: LearnedBatch, judged: Rows) -> Floats:
        kept = self._kept[self._place[batch.predicted.rows[judged]] - 1]  # [n, F, WIDTH]: all of them are
        rates, shown = overall_rates(self._totals), [batch.shown[place] for place in judged.tolist()]
        people = person_numbers([(one.counters, one.exposure.surface, one.at_ms) for one in shown])
        found = features(kept[..., EFFECT], kept[..., COUNTS], person_features(people, rates), rates)
        return sigmoid((found * self._weights).sum(axis=-1))

    @property
    def is_between(self) -> bool:
        """Whether nothing was learned since the parameters were called good: rows may change hands then."""
        return self._exposures == 0 and not self._used

    def judge(self) -> Rejected | None:
        """Judge what was noted, if it is a window: good from now on, or taken back."""
        if self._judged < WINDOW:
            return None
        tick, why = self._parameters.tick, self._why()
        if not why:
            self._odd_since = self._odd_windows = 0
        else:
            self._odd_since, self._odd_windows = self._odd_since or tick, self._odd_windows + 1
        is_usual_by_now = self._odd_windows >= ODD_WINDOWS and tick - self._odd_since >= PATIENCE_S
        rejected = None
        if why and (why == NO_NUMBERS or not is_usual_by_now):
            rejected = Rejected(why, self._exposures, self._take_back())
        self._begin()
        return rejected

    def _why(self) -> str:
        """What is wrong with the window; empty: nothing."""
        if not (np.isfinite(self._loss_above).all() and np.isfinite(self._parameters.weights).all()):
            return NO_NUMBERS
        if self._totals[0] < JUDGED_FROM:
            return ""
        off = self._observed - self._expected
        odd = (np.abs(off) > MOST_SURPRISE * np.sqrt(self._variance)) & (np.abs(off) > MOST_SHIFT * self._judged)
        worse = self._loss_above > MOST_LOSS * self._judged
        for head, name in enumerate(HEADS):
            if odd[head]:
                return f"{self._observed[head]:.0f} × {name} where {self._expected[head]:.1f} were expected"
            if worse[head]:
                return f"the log loss of {name} is {self._loss_above[head] / self._judged:.3f} above what it was"
        return ""

    def _take_back(self) -> Rows:
        parameters, rows = self._parameters, self._changed()
        parameters.put_numbers(rows, self._kept[: self._used])
        parameters.totals, parameters.weights = self._totals, self._weights
        parameters.covariance = self._covariance
        parameters.batches += 1
        return rows


def _loss(chance: Floats, labels: Floats) -> Floats:
    """Log loss of each exposure and head, in nats [n, H]."""
    likely = np.clip(np.where(labels > 0, chance, 1 - chance), LEAST_CHANCE, 1)
    loss: Floats = -np.log(likely)
    return loss
