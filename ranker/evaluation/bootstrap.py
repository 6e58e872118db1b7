"""The paired bootstrap by person: how certain a figure is, and how certain the difference between two.

People are drawn with replacement, each with all their exposures (a cluster bootstrap: Davison & Hinkley 1997, section
3.8), since exposures of one person are alike. Every figure of every model is computed on the same draws, so two arrays
of values can be subtracted draw by draw.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # of how often each person was drawn [b, P], the figure [b, ...]

CHUNK = 16  # draws that are computed together; with 12,000 people that stays in a processor's cache
NAN = float("nan")

Key = TypeVar("Key", bound=Hashable)


class Estimate(NamedTuple):
    """A figure and its 95 % confidence interval; NaN where there is none."""

    value: float
    low: float = NAN
    high: float = NAN


def person_draws(people: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each person was drawn, in chunks [b, P]; the first is everybody once, which gives the figure itself.

    >>> [chunk.tolist() for chunk in person_draws(3, 2, seed=7)]
    [[[1.0, 1.0, 1.0]], [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]]
    """
    yield np.ones((1, people))
    rng = np.random.default_rng(seed)
    for start in range(0, draws, CHUNK):
        chunk = min(CHUNK, draws - start)
        drawn = rng.integers(0, people, (chunk, people)) if people else np.zeros((chunk, 0), np.int64)
        places = drawn + people * np.arange(chunk)[:, None]
        yield np.bincount(places.ravel(), minlength=chunk * people).reshape(chunk, people).astype(np.float64)


def sample(statistics: Mapping[Key, Statistic], people: int, draws: int, seed: int) -> dict[Key, Floats]:
    """Each figure [1 + draws, ...]: first of everybody, then of each draw."""
    chunks: dict[Key, list[Floats]] = {key: [] for key in statistics}
    for drawn in person_draws(people, draws, seed):
        for key, statistic in statistics.items():
            chunks[key].append(statistic(drawn))
    return {key: np.concatenate(values) for key, values in chunks.items()}


def estimate(values: Floats) -> Estimate:
    """The figure and its interval, from its values [1 + draws]; draws in which it has no value are left out.

    >>> estimate(np.array([20.0, *range(41)]))
    Estimate(value=20.0, low=1.0, high=39.0)
    """
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(drawn):
        return Estimate(float(values[0]))
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return Estimate(float(values[0]), low, high)


def without_bias(values: Floats) -> Floats:
    """The values of a figure that is greater in a draw than in truth, moved so that their mean is the figure.

    An error that is a sum of absolute values, as the ECE, grows by the chance of drawing. Efron & Tibshirani 1993,
    "An Introduction to the Bootstrap", chapter 10.

    >>> without_bias(np.array([1.0, 2.0, 4.0])).tolist()
    [1.0, 0.0, 2.0]
    """
    drawn = values[1:]
    if not np.isfinite(drawn).any():
        return values
    return np.concatenate([values[:1], np.maximum(0, drawn - np.nanmean(drawn) + values[0])])


def ratio(top: Floats, bottom: Floats) -> Statistic:
    """The figure that is a sum over people divided by another one.

    top     of each person [P] or [P, K]
    bottom  the same

    >>> ratio(np.array([1.0, 3.0]), np.array([2.0, 4.0]))(np.array([[1.0, 1.0], [2.0, 0.0]])).round(3).tolist()
    [0.667, 0.5]
    """
    return lambda drawn: divide(drawn @ top, drawn @ bottom)


def divide(top: Floats, bottom: Floats) -> Floats:
    """Quotients; NaN where nothing is divided by nothing."""
    quotients: Floats = np.divide(top, bottom, out=np.full(np.shape(top), NAN), where=bottom != 0)
    return quotients


def sums_by(places: NDArray[np.int64], values: NDArray[Any], size: int) -> Floats:
    """The sum of the values [n] at each place [size]."""
    return np.bincount(places, values, size).astype(np.float64)
