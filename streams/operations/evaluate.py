"""Evaluation on a recorded log: each exposure is predicted before it is learned from, by us and by simple baselines."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import not_

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.catalogue_figures import catalogue_figures
from ranker.evaluation.evaluate import Training, evaluate
from ranker.evaluation.predictions import Exposures, Scores
from ranker.evaluation.probability_figures import best_threshold
from ranker.evaluation.result import Evaluation
from ranker.learning.features import KEY_WORTH, PERSON_WORTH, overall_rates, person_numbers, smoothed
from ranker.learning.fields import FIELD_NAMES
from ranker.learning.learner import LearnedBatch, Open, labels_of
from ranker.learning.model import Shown, predict
from ranker.learning.parameters import Parameters
from ranker.profile.counters import Counters
from ranker.profile.outcomes import HEADS
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import Fault, Line
from streams.operations.evaluate_catalogue import CatalogueEvaluation
from streams.operations.log_learner import LogLearner

Floats = NDArray[np.float64]

OURS, VIDEO_RATE, PERSON_RATE = "freshet", "video's rate so far", "person's rate so far"
VIDEO = FIELD_NAMES.index("video")
NO_OTHERS: Mapping[str, Parameters] = {}


@dataclass
class Noted:
    """What was predicted of exposures, and what came of them, in the order in which they were learned."""

    opened: list[Open] = field(default_factory=list)
    earlier: list[int] = field(default_factory=list)  # exposures that the person had before
    chances: list[Floats] = field(default_factory=list)  # [n, H] a batch, as the others
    held: list[Floats] = field(default_factory=list)
    others: dict[str, list[Floats]] = field(default_factory=dict)  # by others' name
    others_held: dict[str, list[Floats]] = field(default_factory=dict)
    video_rates: list[Floats] = field(default_factory=list)
    person_rates: list[Floats] = field(default_factory=list)

    def exposures(self) -> Exposures:
        """The exposures as arrays."""
        return Exposures(
            numbered(one.user_id for one in self.opened),
            numbered(one.example.surface for one in self.opened),
            np.array(self.earlier, np.int64),
            np.array([one.example.at_ms for one in self.opened], np.int64),
            np.array([labels_of(one.labels) for one in self.opened], np.float64).reshape(-1, len(HEADS)),
        )

    def scores(self) -> list[Scores]:
        """What each model said: ours, then the baselines."""
        of_video, of_person = stacked(self.video_rates), stacked(self.person_rates)
        return [
            Scores(OURS, stacked(self.chances), stacked(self.held)),
            *(Scores(name, stacked(of), stacked(self.others_held[name])) for name, of in self.others.items()),
            Scores(VIDEO_RATE, of_video, of_video),
            Scores(PERSON_RATE, of_person, np.zeros_like(of_person)),
        ]


class LogEvaluation:
    """One pass over a log; `parameters` go on learning through the test days.

    split_ms  event time from which on exposures are tested; those before are learned from alone
    others    parameters that learn nothing any more, by name: they predict the same exposures
    """

    def __init__(self, settings: Settings, split_ms: int, others: Mapping[str, Parameters] = NO_OTHERS) -> None:
        self._split_ms, self._others = split_ms, others
        self.parameters = Parameters()
        self._learner = LogLearner(settings, self.parameters)
        self._catalogue = CatalogueEvaluation(self._learner.facts, split_ms)
        self._held: dict[str, Counters] = {}  # of each person before their first exposure of the test days
        self.training, self.tested = Noted(), Noted()

    def run(self, lines: Iterable[Line | Fault]) -> None:
        """Read the log to its end."""
        for batch in self._learner.batches(lines):
            self._catalogue.take(batch)
            new = [place for place, one in enumerate(batch.opened) if one.example.is_first]
            is_tested = [batch.opened[place].example.at_ms >= self._split_ms for place in new]
            self._note(self.training, batch, [*compress(new, map(not_, is_tested))])
            self._note(self.tested, batch, [*compress(new, is_tested)])

    def result(self, draws: int) -> Evaluation:
        """The figures of the test days; thresholds are those that are best on the days before."""
        if not self.tested.opened or not self.training.opened:
            side = "on or after" if not self.tested.opened else "before"
            raise OperatorError(f"The log has no exposure {side} the split.", "Choose another --split.")
        before = Training(self.training.exposures(), self.training.scores())
        positive = before.exposures.labels > 0
        ours, *baselines = (
            Scores(now.name, now.probability, now.held, thresholds=thresholds(then, positive))
            for now, then in zip(self.tested.scores(), before.models, strict=True)
        )
        ranking = catalogue_figures(self._catalogue.ranks(), draws)
        return evaluate(self.tested.exposures(), ours, baselines, training=before, ranking=ranking, draws=draws)

    def _note(self, noted: Noted, batch: LearnedBatch, kept: list[int]) -> None:
        if not kept:
            return
        opened, shown = [batch.opened[n] for n in kept], [batch.shown[n] for n in kept]
        rates = overall_rates(self.parameters.totals)
        mine = person_numbers([(one.counters, one.exposure.surface, one.at_ms) for one in shown]).counts
        noted.opened += opened
        noted.earlier += mine[:, 0].astype(int).tolist()
        noted.chances.append(batch.predicted.probability[kept])
        noted.video_rates.append(smoothed(self.parameters.counts[batch.predicted.rows[kept, VIDEO]], rates, KEY_WORTH))
        noted.person_rates.append(smoothed(mine, rates, PERSON_WORTH))
        held = [*self._as_held(opened, shown)] if noted is self.tested else shown
        noted.held.append(predict(self.parameters, held).logits)
        for name, parameters in self._others.items():
            noted.others.setdefault(name, []).append(predict(parameters, shown).probability)
            noted.others_held.setdefault(name, []).append(predict(parameters, held).logits)

    def _as_held(self, opened: Iterable[Open], shown: Iterable[Shown]) -> Iterator[Shown]:
        for one, seen in zip(opened, shown, strict=True):
            yield seen._replace(counters=self._held.setdefault(one.user_id, seen.counters))


def thresholds(scores: Scores, positive: NDArray[np.bool_]) -> list[float]:
    """From which probability on each outcome is expected, by what was best on these exposures [H]."""
    return [best_threshold(scores.probability[:, n], positive[:, n]) for n in range(len(HEADS))]


def stacked(parts: list[Floats]) -> Floats:
    """One array of all batches."""
    return np.concatenate([np.empty((0, len(HEADS))), *parts])


def numbered(names: Iterable[str]) -> NDArray[np.int64]:
    """Numbers that stand for names, from 0 in the order of their first.

    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)
