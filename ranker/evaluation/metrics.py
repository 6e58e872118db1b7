"""Metrics: how well scores put what a person likes before everything else, and how sure that figure is."""

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]
Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]


def recall_at(k: int, scores: Scores, relevant: Mask) -> float:
    """The share of what is relevant that stands among the k highest scores; NaN where nothing is relevant.

    scores    [N], those that are not finite come last
    relevant  [N]

    Scores that tie for the last places count by the chance that a random order takes them, so scores that are
    all equal give k / N.

    >>> recall_at(2, np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.75
    """
    if not relevant.any():
        return float("nan")
    ranked = _finite(scores)
    k = min(k, len(ranked))
    edge = np.partition(ranked, -k)[-k]
    above, tied = ranked > edge, ranked == edge
    taken = (k - above.sum()) / tied.sum()  # the chance of one that ties
    return float((relevant[above].sum() + taken * relevant[tied].sum()) / relevant.sum())


def auc(scores: Scores, positive: Mask) -> float:
    """The chance that a positive scores higher than a negative, a tie counting half; NaN where one kind lacks.

    scores    [N], those that are not finite come last
    positive  [N]

    Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve".

    >>> auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    ranked = _finite(scores)
    ours, others = ranked[positive], np.sort(ranked[~positive])
    if not len(ours) or not len(others):
        return float("nan")
    twice_beaten = others.searchsorted(ours, "left") + others.searchsorted(ours, "right")
    return float(twice_beaten.mean() / (2 * len(others)))


def interval(values: Figures, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Where the mean of [N] values lies with 95 %, by drawing N of them again and again (Efron 1979, bootstrap).

    >>> interval(np.array([1.0, 1.0, 1.0]))
    (1.0, 1.0)
    """
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5]).tolist()
    return low, high


def _finite(scores: Scores) -> Scores:
    return np.where(np.isfinite(scores), scores, -np.inf)
