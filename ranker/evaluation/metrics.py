"""AUC: how well scores tell positives from negatives."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]
F = TypeVar("F", bound="np.floating[Any]")


def auc(scores: Scores, positive: Mask) -> float:
    """The chance that a positive scores higher than a negative, a tie counting half; NaN if there are none of either.

    scores    [N], those that are not finite rank last
    positive  [N]

    Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve".

    >>> auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    ranked = last_if_not_finite(scores)
    positives, negatives = ranked[positive], np.sort(ranked[~positive])
    if not len(positives) or not len(negatives):
        return float("nan")
    twice_below = negatives.searchsorted(positives, "left") + negatives.searchsorted(positives, "right")
    return float(twice_below.mean() / (2 * len(negatives)))


def last_if_not_finite(scores: NDArray[F]) -> NDArray[F]:
    """Scores with −∞ for those that are not finite."""
    found: NDArray[F] = np.where(np.isfinite(scores), scores, -np.inf)
    return found
