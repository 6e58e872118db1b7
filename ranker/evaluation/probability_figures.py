"""Figures of probabilities: log loss, calibration, and what is predicted at a threshold, as statistics of people."""

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.bootstrap import Floats, Statistic, ratio, sums_by

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]

BINS = 15
LEAST_PROBABILITY = 1e-15  # a certainty that was wrong costs 34.5, not infinity


def by_person(values: Floats | Bools, people: Numbers) -> Floats:
    """The sum of each person's values [P]."""
    return sums_by(people, values, people.max(initial=-1) + 1)


def are_probabilities(values: Floats) -> bool:
    """Whether every one lies from 0 to 1; NaN does not."""
    return bool(((values >= 0) & (values <= 1)).all())


def logloss_of(probability: Floats, positive: Bools, people: Numbers) -> Statistic:
    """The mean of −log of the probability that was given to what happened."""
    given = np.clip(np.where(positive, probability, 1 - probability), LEAST_PROBABILITY, 1)
    return ratio(by_person(-np.log(given), people), by_person(np.ones(len(people)), people))


def equal_mass_bins(probability: Floats) -> Numbers:
    """The bin of each exposure [n], each of about as many; equal probabilities are in one bin.

    >>> equal_mass_bins(np.array([0.1, 0.1, 0.1, 0.2])).tolist()
    [0, 0, 0, 1]
    """
    order = np.sort(probability)
    starts = order[[place * len(order) // BINS for place in range(1, BINS)]] if len(order) else order
    return np.searchsorted(np.unique(starts[starts > order[:1]]), probability, "right")


def ece_of(probability: Floats, positive: Bools, people: Numbers) -> Statistic:
    """The expected calibration error: how far prediction and outcome lie apart in a bin, over 15 equal-mass bins.

    Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning"; equal mass as Nixon et al.
    2019, "Measuring Calibration in Deep Learning". The bins are those of all exposures, in each draw.
    """
    excess = _by_person_and_bin(probability - positive, people, equal_mass_bins(probability))
    exposures = by_person(np.ones(len(people)), people)
    error = ratio(excess, exposures[:, None])
    return lambda drawn: np.abs(error(drawn)).sum(axis=1)


def observed_of(probability: Floats, positive: Bools, people: Numbers) -> Statistic:
    """How often the outcome happened in each bin [b, BINS]."""
    bins = equal_mass_bins(probability)
    happened = _by_person_and_bin(positive, people, bins)
    return ratio(happened, _by_person_and_bin(np.ones(len(people)), people, bins))


def _by_person_and_bin(values: Floats | Bools, people: Numbers, bins: Numbers) -> Floats:
    size = people.max(initial=-1) + 1
    return sums_by(people * BINS + bins, values, size * BINS).reshape(size, BINS)


def threshold_figures(score: Floats, positive: Bools, people: Numbers, threshold: float) -> dict[str, Statistic]:
    """Accuracy, precision, recall and F1 where the outcome is predicted from this score on.

    Without a predicted outcome there is no precision, without an outcome no recall.
    """
    predicted = score >= threshold  # NaN never is
    right, hit = by_person(predicted == positive, people), by_person(predicted & positive, people)
    exposures = by_person(np.ones(len(people)), people)
    predictions, outcomes = by_person(predicted, people), by_person(positive, people)
    return {
        "accuracy": ratio(right, exposures),
        "precision": ratio(hit, predictions),
        "recall": ratio(hit, outcomes),
        "f1": ratio(2 * hit, predictions + outcomes),
    }


def best_threshold(score: Floats, positive: Bools) -> float:
    """The score from which on an outcome is best predicted by F1; of equally good ones the highest.

    For the training days [n], as a threshold that is chosen on the test days flatters. Without any outcome it is
    infinity: nothing is predicted.

    >>> best_threshold(np.array([0.9, 0.6, 0.4, 0.1]), np.array([True, False, True, False]))
    0.4
    """
    usable = np.isfinite(score)
    order = np.sort(np.unique(score[usable]))[::-1]
    if not len(order) or not positive[usable].any():
        return float("inf")
    rising, hits = np.sort(score[usable]), np.sort(score[usable & positive])
    predictions = len(rising) - rising.searchsorted(order, "left")
    hit = len(hits) - hits.searchsorted(order, "left")
    return float(order[np.argmax(2 * hit / (predictions + positive.sum()))])
