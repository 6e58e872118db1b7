"""What an evaluation compares: for each exposure what was predicted before it, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.profile.outcomes import HEADS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exposures:
    """The exposures of the test days, in the order in which they happened.

    people    number of each one's person, from 0 [n]
    surfaces  number of each one's surface, from 0 [n]
    groups    exposures that the person had before the first of these [n]
    at_ms     event time [n]
    labels    [n, H] 0 or 1, by head as ranker/profile/outcomes.py:HEADS has them
    """

    people: NDArray[np.int64]
    surfaces: NDArray[np.int64]
    groups: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    labels: Floats

    def __len__(self) -> int:
        """How many exposures there are."""
        return len(self.people)


@dataclass(frozen=True)
class Scores:
    """What one model said of these exposures, each before it happened.

    probability  of each outcome [n, H]
    held         log-odds, or any score, with the person's own counters as before their first exposure here [n, H]
    is_calibrated whether `probability` is meant as one; of a bare score only the order counts
    thresholds   from which `probability` on an outcome is predicted [H], chosen on the training days; None: not chosen
    """

    name: str
    probability: Floats
    held: Floats
    is_calibrated: bool = True
    thresholds: Sequence[float] | None = None


def check(exposures: Exposures, models: Sequence[Scores]) -> None:
    """Raise ValueError unless all models have a name of their own and speak of all these exposures."""
    names = [model.name for model in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two models are called {twice[0]!r}; give each a name of its own.")
    wanted = (len(exposures), len(HEADS))
    columns = {"labels": exposures.labels}
    for model in models:
        columns |= {f"{model.name}.probability": model.probability, f"{model.name}.held": model.held}
    for name, column in columns.items():
        if column.shape != wanted:
            raise ValueError(f"{name} has shape {column.shape}; {wanted} is needed: exposures by heads.")
    for model in models:
        if model.thresholds is not None and len(model.thresholds) != len(HEADS):
            raise ValueError(f"{model.name} has {len(model.thresholds)} thresholds; one per head is needed.")
