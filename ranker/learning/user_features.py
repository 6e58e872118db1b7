"""User features: what is said of people beside what they do, such as a language or interests, and what it adds.

Each value has an effect that is added to what another model says of the person's exposures. Effects and the weight of
their sum are learned as those of the model are; so nothing here is keyed by a person, only by what many may have.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import copysign, log2
from typing import NamedTuple

import msgspec
import numpy as np

from ranker.learning.columns import grown
from ranker.learning.model import Floats, Outcomes, learn_effects, learn_weights, sigmoid
from ranker.learning.parameters import GROWTH, UNKNOWN, Rows
from ranker.profile.outcomes import HEADS
from schemas.messages.fields import UserId

Value = str | bool | int | float | list[str] | None
Key = tuple[str, str]  # name of a feature and one of its values

VARIANCE = (0.02, 0.05, 0.02)  # of an effect before anything is known, by head; tuned on KuaiRand's training days
WEIGHT_VARIANCE = 0.05
ALWAYS, OTHERS, EFFECTS = range(3)  # features: 1, the other model's logit, the sum of the effects


class UserFeatures(msgspec.Struct, frozen=True):
    """What is said of a person; a value that is not known is None, or its name is left out."""

    user_id: UserId
    features: dict[str, Value]


def keys_of(features: Mapping[str, Value]) -> tuple[Key, ...]:
    """The keys of a person's features: texts as they are, numbers by powers of two, each text of a list.

    >>> keys_of({"language": "de", "follows": 514, "interests": ["food", "travel"], "age": None})
    (('language', 'de'), ('follows', '9'), ('interests', 'food'), ('interests', 'travel'))
    """
    return tuple(dict.fromkeys((name, key) for name, value in features.items() for key in _texts(value)))


def _texts(value: Value) -> Iterator[str]:
    match value:
        case None:
            return
        case list():
            yield from value
        case str() | bool():
            yield str(value)
        case _:
            yield str(bucket(value))


def bucket(number: float) -> int:
    """The power of two below a number plus one, with its sign.

    >>> bucket(0), bucket(1), bucket(514), bucket(-514)
    (0, 1, 9, -9)
    """
    return int(copysign(log2(1 + abs(number)), number))


class Prediction(NamedTuple):
    """What is predicted of exposures with the features of their people."""

    rows: Rows  # [n, F] of their keys; UNKNOWN where a person has fewer
    features: Floats  # [n, H, 3]
    logits: Floats  # [n, H]


class UserFeatureModel:
    """Adds the effects of user features to the logits of another model."""

    def __init__(self) -> None:
        self._row_of: dict[Key, int] = {}
        self.effect: Floats = np.zeros((GROWTH, len(HEADS)))
        self.variance: Floats = np.zeros((GROWTH, len(HEADS)))
        self.weights: Floats = np.array([[0.0, 1.0, 1.0]] * len(HEADS))
        self.covariance: Floats = np.stack([WEIGHT_VARIANCE * np.eye(3)] * len(HEADS))

    def row(self, key: Key) -> int:
        """The row of a key; a new one where it has none."""
        return self._row_of.get(key) or self._new_row(key)

    def predict(self, logits: Floats, people: Sequence[Iterable[Key]]) -> Prediction:
        """Predict exposures, from the other model's logits [n, H] and the keys of each one's person [n]."""
        rows = padded([[self.row(key) for key in keys] for keys in people])
        found = np.ones((len(rows), len(HEADS), 3))
        found[:, :, OTHERS] = logits
        found[:, :, EFFECTS] = self.effect[rows].sum(axis=1)
        return Prediction(rows, found, (self.weights * found).sum(axis=-1))

    def learn(self, predicted: Prediction, outcomes: Outcomes) -> None:
        """Take in what came of exposures, each predicted by this very model."""
        others = (self.weights * predicted.features)[..., :EFFECTS].sum(axis=-1)
        chance = sigmoid(others + predicted.features[..., EFFECTS])
        learn_effects(self.effect, self.variance, predicted.rows, chance, outcomes)
        learn_weights(self.weights, self.covariance, predicted.features, sigmoid(predicted.logits), outcomes)

    def _new_row(self, key: Key) -> int:
        row = self._row_of[key] = len(self._row_of) + 1
        if row >= len(self.effect):
            size = row + GROWTH
            self.effect, self.variance = grown(self.effect, size), grown(self.variance, size)
        self.variance[row] = VARIANCE
        return row


def padded(rows: Sequence[Sequence[int]]) -> Rows:
    """Rows of unequal length as one array, UNKNOWN where there are no more.

    >>> padded([[7], [], [8, 9]]).tolist()
    [[7, 0], [0, 0], [8, 9]]
    """
    found = np.full((len(rows), max(1, *map(len, rows))), UNKNOWN, np.int64)
    for place, one in enumerate(rows):
        found[place, : len(one)] = one
    return found
