"""Training the ranking on a recorded log: one pass, each exposure predicted before it is learned from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.metrics import auc
from ranker.learning import storage
from ranker.learning.learner import labels_of
from ranker.learning.parameters import Parameters
from ranker.profile.outcomes import HEADS
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.logs.jsonl import Fault, Line
from streams.operations.log_learner import LogLearner

VALIDATE = "`freshet validate LOG` says what it holds."


@dataclass(frozen=True)
class Trained:
    """The parameters, and what was predicted of each exposure before it was learned from."""

    parameters: Parameters
    chances: NDArray[np.float64]  # [n, H]
    labels: NDArray[np.float64]  # [n, H]

    def figures(self) -> dict[str, object]:
        """What was learned from, and how well it was predicted."""
        of_head = {head: auc(self.chances[:, place], self.labels[:, place] > 0) for place, head in enumerate(HEADS)}
        return {
            "exposures": len(self.labels),
            "keys": len(self.parameters),
            "auc": {head: None if np.isnan(value) else round(value, 4) for head, value in of_head.items()},
        }

    def write(self, path: Path) -> str:
        """Write the parameters, all or nothing; returns their version."""
        data = storage.dump(self.parameters)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_bytes(data)
        unfinished.replace(path)
        return storage.version_of(data)


def learn_from(settings: Settings, lines: Iterable[Line | Fault], until_ms: int | None = None) -> Trained:
    """Learn from a log's events in their order; from those alone that happened before `until_ms`, if it is given.

    Raises OperatorError where there is nothing to learn from.
    """
    parameters = Parameters()
    if until_ms is not None:
        lines = (line for line in lines if isinstance(line, Line) and line.at_ms < until_ms)
    chances, labels = [np.empty((0, len(HEADS)))], [np.empty((0, len(HEADS)))]
    for batch in LogLearner(settings, parameters).batches(lines):
        is_new = [one.example.is_first for one in batch.opened]
        chances.append(batch.predicted.probability[is_new])
        labels.append(np.array([labels_of(one.labels) for one in batch.opened], np.float64)[is_new])
    trained = Trained(parameters, np.concatenate(chances), np.concatenate(labels))
    if not len(trained.labels):
        where = "" if until_ms is None else " before the time of --until"
        raise OperatorError(f"The log has no exposure{where}, so nothing can be learned.", VALIDATE)
    return trained
