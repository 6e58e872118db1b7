"""Evaluation on a recorded log: each exposure is predicted before it is learned from, by us and by simple baselines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import compress
from operator import not_

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.catalogue_figures import catalogue_figures
from ranker.evaluation.evaluate import Training, evaluate
from ranker.evaluation.predictions import Exposures, Scores
from ranker.evaluation.probability_figures import best_threshold
from ranker.evaluation.result import Evaluation
from ranker.learning.learner import LearnedBatch, Open, labels_of
from ranker.learning.model import Shown
from ranker.learning.parameters import Parameters
from ranker.profile.counters import Counters
from ranker.profile.outcomes import HEADS
from ranker.retrieval.sequence import SequenceModel
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import Fault, Line
from streams.operations.baselines.exchange import Answer, HeadScores, NextFinish, early_of
from streams.operations.baselines.exchange import Exposures as BaselineExposures
from streams.operations.baselines.recorder import ExposureRecorder, NextFinishRecorder
from streams.operations.evaluate_catalogue import FINISH, CatalogueEvaluation, Wanted
from streams.operations.evaluate_sequence import SequenceScores
from streams.operations.evaluated_models import (
    OURS,
    PERSON_RATE,
    SERVED,
    VIDEO_RATE,
    Asked,
    Model,
    Said,
    ours,
    person_rate,
    served,
    together,
    video_rate,
)
from streams.operations.log_learner import LogLearner
from streams.operations.train_ranking import VALIDATE

NO_OTHERS: Mapping[str, Model] = {}
NO_ANSWER = Answer({}, {})


@dataclass
class Noted:
    """What was predicted of exposures, and what came of them, in the order in which they were learned."""

    opened: list[Open] = field(default_factory=list)
    earlier: list[int] = field(default_factory=list)  # exposures that the person had before
    said: dict[str, list[Said]] = field(default_factory=dict)  # by each model, batch by batch

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
        """What each model said: ours, then the others."""
        return [Scores(name, *together(parts)) for name, parts in self.said.items()]

    def add(self, opened: Iterable[Open], said: Mapping[str, Said]) -> None:
        """Take in exposures, and what each model said of them."""
        self.opened += opened
        self.earlier += [sum(here.exposures for here in one.example.counters.surfaces) for one in opened]
        for name, of_model in said.items():
            self.said.setdefault(name, []).append(of_model)


class LogEvaluation:
    """One pass over a log; `parameters` go on learning through the test days.

    split_ms   event time from which on exposures are tested; those before are learned from alone
    others     models that predict the same exposures, by name
    catalogue  what is predicted among all videos too, such as the next finish, which takes half of the time
    sequence   a sequence model, whose place of the next finish is noted too
    record     whether what baselines in an environment of their own are asked is noted: see `asked`
    """

    def __init__(
        self,
        settings: Settings,
        split_ms: int,
        others: Mapping[str, Model] = NO_OTHERS,
        *,
        catalogue: Wanted | None = FINISH,
        sequence: SequenceModel | None = None,
        record: bool = False,
    ) -> None:
        self._split_ms = split_ms
        self._models = {OURS: ours, SERVED: served, **others, VIDEO_RATE: video_rate, PERSON_RATE: person_rate}
        self.parameters = Parameters()
        self._learner = LogLearner(settings, self.parameters)
        self._recorder = ExposureRecorder() if record else None
        self._finishes = NextFinishRecorder() if record and catalogue == FINISH else None
        by_sequence = SequenceScores(sequence, self._learner.profile) if sequence else None
        self._catalogue = (
            CatalogueEvaluation(self._learner.facts, split_ms, self._finishes, by_sequence, catalogue)
            if catalogue
            else None
        )
        self._held: dict[str, Counters] = {}  # of each person before their first exposure of the test days
        self.training, self.tested = Noted(), Noted()

    def run(self, lines: Iterable[Line | Fault]) -> None:
        """Read the log to its end."""
        for batch in self._learner.batches(lines):
            if self._catalogue:
                self._catalogue.take(batch)
            asked = Asked(batch, self._as_held(batch), self.parameters, self._learner.facts)
            said = {name: model(asked) for name, model in self._models.items()}
            new = [place for place, one in enumerate(batch.opened) if one.example.is_first]
            is_tested = [self._is_tested(batch.opened[place]) for place in new]
            training, tested = [*compress(new, map(not_, is_tested))], [*compress(new, is_tested)]
            self._note(self.training, batch, said, training)
            self._note(self.tested, batch, said, tested)
            if self._recorder:
                self._recorder.take(asked, training, tested)

    def asked(self) -> tuple[BaselineExposures, NextFinish | None]:
        """What baselines are asked; only where `record` said so, after `run`."""
        self._check_sides()
        recorder = self._recorder or ExposureRecorder()
        return recorder.exposures(), self._finishes.next_finish() if self._finishes else None

    def result(self, draws: int, baselines: Answer = NO_ANSWER) -> Evaluation:
        """The figures of the test days; thresholds are those that are best on the days before."""
        self._check_sides()
        before = Training(self.training.exposures(), self.training.scores())
        positive = before.exposures.labels > 0
        mine, *others = (
            Scores(now.name, now.probability, now.held, thresholds=thresholds(then, positive))
            for now, then in zip(self.tested.scores(), before.models, strict=True)
        )
        others += baseline_scores(baselines.heads, positive)
        ranking = catalogue_figures(self._catalogue.ranks(baselines.next_finish), draws) if self._catalogue else None
        return evaluate(self.tested.exposures(), mine, others, training=before, ranking=ranking, draws=draws)

    def _check_sides(self) -> None:
        if not self.tested.opened or not self.training.opened:
            side = "on or after" if not self.tested.opened else "before"
            times = [one.example.at_ms for one in (*self.training.opened, *self.tested.opened)]
            if not times:
                raise OperatorError("The log has no exposure.", VALIDATE)
            raise OperatorError(
                f"The log has no exposure {side} the split: its {len(times)} are from "
                f"{iso_time(min(times))} to {iso_time(max(times))}.",
                "Choose a --split between these times.",
            )

    def _note(self, noted: Noted, batch: LearnedBatch, said: Mapping[str, Said], places: list[int]) -> None:
        if places:
            noted.add([batch.opened[place] for place in places], {name: one.of(places) for name, one in said.items()})

    def _is_tested(self, one: Open) -> bool:
        return one.example.at_ms >= self._split_ms

    def _as_held(self, batch: LearnedBatch) -> list[Shown]:
        return [self._hold(one, seen) for one, seen in zip(batch.opened, batch.shown, strict=True)]

    def _hold(self, one: Open, seen: Shown) -> Shown:
        if not (one.example.is_first and self._is_tested(one)):
            return seen
        return seen._replace(counters=self._held.setdefault(one.user_id, seen.counters))


def baseline_scores(said: Mapping[str, HeadScores], positive: NDArray[np.bool_]) -> list[Scores]:
    """What baselines say; their thresholds are those that are best on the late training days.

    positive  which outcomes the exposures of the training days had [n, H]
    """
    late = positive[early_of(len(positive)) :]
    return [
        Scores(name, one.probability, one.held, thresholds=thresholds(Scores(name, one.late, one.late), late))
        for name, one in said.items()
    ]


def thresholds(scores: Scores, positive: NDArray[np.bool_]) -> list[float]:
    """From which probability on each outcome is expected, by what was best on these exposures [H]."""
    return [best_threshold(scores.probability[:, n], positive[:, n]) for n in range(len(HEADS))]


def iso_time(at_ms: int) -> str:
    """A time as `--split` takes it.

    >>> iso_time(1651161600000)
    '2022-04-28T16:00Z'
    """
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"


def numbered(names: Iterable[str]) -> NDArray[np.int64]:
    """Numbers that stand for names, from 0 in the order of their first.

    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)
