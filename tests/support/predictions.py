"""Made-up exposures and models for evaluations."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.predictions import Exposures, Scores
from schemas.messages.fields import DAY_MS

FIRST_MS = 1651161600000  # 2022-04-28T16:00Z
HEADS = 3
THRESHOLDS = (0.4, 0.1, 0.4)


def exposures_of(
    people: Sequence[int],
    positive: Sequence[int],
    surfaces: Sequence[int] | None = None,
    groups: Sequence[int] | None = None,
) -> Exposures:
    """Exposures a minute apart whose labels are the same for every head."""
    count = len(people)
    return Exposures(
        people=np.array(people, np.int64),
        surfaces=np.array(surfaces or [0] * count, np.int64),
        groups=np.array(groups or [0] * count, np.int64),
        at_ms=FIRST_MS + 60_000 * np.arange(count),
        labels=np.repeat(np.array(positive, np.float64)[:, None], HEADS, axis=1),
    )


def scores_of(name: str, probability: Sequence[float], held: Sequence[float] | None = None) -> Scores:
    """A model that says the same of every head."""
    columns = [
        np.repeat(np.array(one, np.float64)[:, None], HEADS, axis=1) for one in (probability, held or probability)
    ]
    return Scores(name, columns[0], columns[1])


def random_exposures(count: int, people: int, seed: int, *, days: int = 3) -> tuple[Exposures, NDArray[np.float64]]:
    """Exposures over some days, and the true log-odds of their outcomes [n, H]."""
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, people, count)
    earlier = rng.integers(0, 30, people) * rng.integers(0, 2, people)
    logits = rng.normal(0, 1, (people, HEADS))[owners] + rng.normal(0, 1, (count, HEADS)) + np.array([-0.7, -2, -1])
    labels = (rng.random((count, HEADS)) < sigmoid(logits)).astype(np.float64)
    at_ms = np.sort(FIRST_MS + rng.integers(0, days * DAY_MS, count))
    return Exposures(owners, rng.integers(0, 3, count), earlier[owners], at_ms, labels), logits


def noisy_model(name: str, logits: NDArray[np.float64], noise: float, seed: int) -> Scores:
    """A model that knows the log-odds but for some noise; with more of it, it is worse and overconfident."""
    seen = logits + noise * np.random.default_rng(seed).normal(size=logits.shape)
    return Scores(name, sigmoid(seen), seen, thresholds=THRESHOLDS)


def without_calibration(model: Scores) -> Scores:
    """The same as a bare score."""
    return replace(model, is_calibrated=False)


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chance that log-odds stand for."""
    chance: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
    return chance
