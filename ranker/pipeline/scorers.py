"""Scorers: how likely a person finishes, likes or skips a video, and what that is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import numpy as np

from ranker.catalogue.arrays import Floats, Places
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.types import Contributions, FeatureMatrix, Scorer, Scores


@dataclass(frozen=True)
class Weights:
    """A readable table: the weight of each feature in each head, and the weight of each head in the score."""

    heads: Mapping[str, Mapping[str, float]]
    head_weights: Mapping[str, float]

    @property
    def version(self) -> str:
        """Name of the scorer that they make: a hash of every weight, so that other weights have another name."""
        heads = {head: sorted(weights.items()) for head, weights in self.heads.items()}
        content = repr((FEATURES_VERSION, sorted(heads.items()), sorted(self.head_weights.items())))
        code = sha256(content.encode()).hexdigest()[:8]
        return f"weighted-sum@{RELEASED.get(code, code)}"

    def linear_effect(self, feature: str) -> float:
        """How much a feature moves the score, in logits times head weights."""
        return sum(self.head_weights[head] * weights.get(feature, 0.0) for head, weights in self.heads.items())


FEATURES_VERSION = 1  # raised when a feature changes its meaning
RELEASED = {"a4715d65": 1}  # the number of weights that a release had, by their hash

BELOW_ONE = np.float32(1 - 2**-24)  # the greatest float32 below 1
BIAS = "bias"  # what a head's log-odds begin with


def weighted_sum(weights: Weights) -> Scorer:
    """Each head is the logistic of a weighted sum of the features; the score is the weighted sum of the heads."""
    heads = list(weights.heads.values())
    bias = np.array([[head.get(BIAS, 0.0)] for head in heads], np.float32)  # [H, 1]
    by_head = np.array([weights.head_weights[name] for name in weights.heads], np.float32)  # [H]
    head_weights = [(name, np.float32(weight)) for name, weight in weights.head_weights.items()]

    @cache
    def columns_of(names: tuple[str, ...]) -> Floats:  # [F, H, 1]
        return np.array([[[head.get(name, 0.0)] for head in heads] for name in names], np.float32)

    @cache
    def effects_of(names: tuple[str, ...]) -> Floats:  # [F, 1]
        return np.array([[weights.linear_effect(name)] for name in names], np.float32)

    def score(features: FeatureMatrix) -> Scores:
        logits = weighted(features.values, columns_of(features.names), bias)
        probabilities = dict(zip(weights.heads, logistic(logits), strict=True))
        total = np.zeros(logits.shape[1], np.float32)
        for name, weight in head_weights:
            total += weight * probabilities[name]

        def contributions(places: Places) -> Contributions:
            rank_logit = by_head @ (logits[:, places] - bias)
            return Contributions(features.names, effects_of(features.names) * features.values[:, places], rank_logit)

        return Scores(probabilities, total, contributions)

    return Scorer(weights.version, score)


def weighted(values: Floats, columns: Floats, bias: Floats) -> Floats:
    """Log-odds [H, N] of features [F, N] by their weights [F, H, 1] and what the heads begin with [H, 1].

    One feature after another: the bits do not depend on the other candidates.
    """
    if switch.is_used():
        return calls.logits(values, columns, bias)
    logits: Floats = bias + np.zeros((len(bias), values.shape[1]), np.float32)
    for column, of_feature in zip(columns, values, strict=True):
        logits += column * of_feature
    return logits


def logistic(logits: Floats) -> Floats:
    """1 / (1 + e^−x), kept inside (0, 1).

    >>> logistic(np.array([0.0, 1000.0], np.float32)).tolist()
    [0.5, 0.9999999403953552]
    """
    one = np.float32(1)
    likely: Floats = one / (one + np.exp(-np.maximum(logits, np.float32(-80))))
    return np.minimum(likely, BELOW_ONE)
