"""Scorers: how likely a person finishes, likes or skips a video, and what that is worth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ranker.pipeline.features import NAMES
from ranker.pipeline.types import FeatureMatrix, Floats, Scorer, Scores


@dataclass(frozen=True)
class Weights:
    """A readable table: per head the weight of each feature, and what each head is worth in the score."""

    heads: Mapping[str, Mapping[str, float]]
    head_weights: Mapping[str, float]

    def linear_effect(self, feature: str) -> float:
        """How much a feature moves the score, in logits times worth."""
        return sum(self.head_weights[head] * table.get(feature, 0.0) for head, table in self.heads.items())


MOST = np.float32(1 - 2**-24)  # the greatest float32 below 1

# All guesses. The biases start near what a public log of short videos shows: a third is finished, one in fifty
# liked, a quarter skipped.
WEIGHTS = Weights(
    heads={
        "finish": {
            "bias": -1.4, "similar": 1.6, "liking": 0.8, "skipping": -1.0, "trend": 0.8, "popular": 0.4,
            "fresh": 0.3, "creator": 0.8, "long": -0.6,
        },
        "like": {
            "bias": -4.6, "similar": 1.4, "liking": 1.6, "skipping": -0.8, "trend": 0.6, "popular": 0.3,
            "fresh": 0.1, "creator": 1.2, "long": 0.0,
        },
        "skip": {
            "bias": -0.8, "similar": -1.4, "liking": -0.6, "skipping": 1.8, "trend": -0.4, "popular": -0.2,
            "fresh": 0.0, "creator": -0.6, "long": 0.4,
        },
    },
    head_weights={"finish": 1.0, "like": 2.0, "skip": -1.0},
)  # fmt: skip


def weighted_sum(weights: Weights) -> Scorer:
    """Each head is the logistic of a weighted sum of the features; the score is the heads by their worth."""
    tables = list(weights.heads.values())
    bias = np.array([[table.get("bias", 0.0)] for table in tables], np.float32)  # [H, 1]
    columns = np.array([[[table.get(name, 0.0)] for table in tables] for name in NAMES], np.float32)  # [F, H, 1]
    head_weights = [(name, np.float32(value)) for name, value in weights.head_weights.items()]

    def weighted_sum(features: FeatureMatrix) -> Scores:
        logits = bias + np.zeros((len(tables), features.values.shape[1]), np.float32)
        for column, row in zip(columns, features.values, strict=True):
            logits += column * row  # one feature after another: the bits do not depend on the company
        heads = dict(zip(weights.heads, logistic(logits), strict=True))
        score = np.zeros(logits.shape[1], np.float32)
        for name, value in head_weights:
            score += value * heads[name]
        return Scores(heads, score)

    return weighted_sum


def logistic(logits: Floats) -> Floats:
    """1 / (1 + e^−x), kept inside (0, 1).

    >>> logistic(np.array([0.0, 1000.0], np.float32)).tolist()
    [0.5, 0.9999999403953552]
    """
    one = np.float32(1)
    likely: Floats = one / (one + np.exp(-np.maximum(logits, np.float32(-80))))
    return np.minimum(likely, MOST)
