"""Recall, and how certain a figure is."""

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.metrics import Mask, Scores, last_if_not_finite

Figures = NDArray[np.float64]


def recall_at(k: int, scores: Scores, relevant: Mask) -> float:
    """The share of the relevant items that are among the k highest scores; NaN if none is relevant.

    scores    [N], those that are not finite rank last
    relevant  [N]

    Items that tie for the last places count by their chance in a random order, so scores that are all equal give k / N.

    >>> recall_at(2, np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.75
    """
    if not relevant.any():
        return float("nan")
    ranked = last_if_not_finite(scores)
    k = min(k, len(ranked))
    edge = np.partition(ranked, -k)[-k]
    above, tied = ranked > edge, ranked == edge
    chance = (k - above.sum()) / tied.sum()  # of each tied item
    return float((relevant[above].sum() + chance * relevant[tied].sum()) / relevant.sum())


def interval(values: Figures, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of [N] values, by the bootstrap (Efron 1979).

    >>> interval(np.array([1.0, 1.0, 1.0]))
    (1.0, 1.0)
    """
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5]).tolist()
    return low, high
