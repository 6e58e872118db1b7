"""The figures of an evaluation, per head: what each is called, which way is better, and how it is computed."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ranker.evaluation.bootstrap import Estimate, Floats, Statistic
from ranker.evaluation.predictions import Exposures, Scores
from ranker.evaluation.probability_figures import (
    are_probabilities,
    ece_of,
    logloss_of,
    observed_of,
    threshold_figures,
)
from ranker.evaluation.ranking_figures import Bools, Numbers, auc_of, gauc_of

Verdict = Literal["better", "worse", "undecided"]


class Figure(NamedTuple):
    """A figure's key in results, its title and what it means for people, and which way is better."""

    key: str
    title: str
    meaning: str
    better: Literal["higher", "lower"] = "higher"


class Group(NamedTuple):
    """People by how many exposures they had before the test days, from `least` up to the next group's."""

    key: str
    least: int


FIGURES = (
    Figure("auc", "AUC", "how often an exposure with the outcome scored higher than one without it; 0.5 is chance"),
    Figure(
        "gauc",
        "GAUC",
        "the AUC within each person by what sorts a slate, their own counts as they were when the test days began; "
        "weighted by exposures. It says how well videos are ordered for one person at one moment.",
    ),
    Figure("gauc_plain", "plain GAUC", "the same with the person's counts as they were at each exposure"),
    Figure("gauc_surface", "GAUC on one surface", "GAUC within each person on each surface"),
    Figure("logloss", "log loss", "the cost of probabilities that were wrong; 0 is certain and right", "lower"),
    Figure("ece", "ECE", "how far probabilities lie from what happened, on average over 15 bins", "lower"),
    Figure("accuracy", "accuracy", "how often the prediction at the training days' threshold was right"),
    Figure("precision", "precision", "how many of the predicted outcomes happened"),
    Figure("recall", "recall", "how many of the outcomes were predicted"),
    Figure("f1", "F1", "the harmonic mean of precision and recall"),
)
FIGURE_OF: Mapping[str, Figure] = {figure.key: figure for figure in FIGURES}
GROUPS = (Group("0", 0), Group("1-3", 1), Group("4-15", 4), Group("16+", 16))

Statistics = dict[tuple[str, ...], Statistic]  # by ("auc",), ("groups", "0"), ("calibration",), …


def verdict_on(figure: Figure, difference: Estimate) -> Verdict:
    """What a difference says of the model it was taken for: better or worse where its interval excludes 0.

    >>> verdict_on(FIGURE_OF["logloss"], Estimate(-0.02, -0.03, -0.01))
    'better'
    """
    if difference.low > 0:
        return "better" if figure.better == "higher" else "worse"
    if difference.high < 0:
        return "worse" if figure.better == "higher" else "better"
    return "undecided"


def statistics_of(exposures: Exposures, model: Scores, head: int) -> Statistics:
    """Every figure of a model for one head, as statistics of how often each person was drawn."""
    people, positive = exposures.people, exposures.labels[:, head] > 0
    score, held = model.probability[:, head], model.held[:, head]
    found = {
        "auc": auc_of(score, positive, people),
        "gauc": gauc_of(held, positive, people, people),
        "gauc_plain": gauc_of(score, positive, people, people),
        "gauc_surface": gauc_of(held, positive, people, person_and_surface(exposures)),
    }
    if model.thresholds is not None:
        found |= threshold_figures(score, positive, people, model.thresholds[head])
    if model.is_calibrated and are_probabilities(score):
        found["logloss"] = logloss_of(score, positive, people)
        found["ece"] = ece_of(score, positive, people)
        found["calibration"] = observed_of(score, positive, people)
    by_key: Statistics = {(key,): statistic for key, statistic in found.items()}
    for group in GROUPS:
        by_key["groups", group.key] = _auc_where(group_of(exposures) == group.key, score, positive, people)
    return by_key


def _auc_where(chosen: Bools, score: Floats, positive: Bools, people: Numbers) -> Statistic:
    return auc_of(score[chosen], positive[chosen], people[chosen])


def person_and_surface(exposures: Exposures) -> Numbers:
    """One number for each person on each surface [n]."""
    surfaces = exposures.surfaces.max(initial=0) + 1
    return np.unique(exposures.people * surfaces + exposures.surfaces, return_inverse=True)[1]


def group_of(exposures: Exposures) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """The key of each exposure's activity group [n]."""
    keys = np.array([group.key for group in GROUPS])
    return keys[np.searchsorted([group.least for group in GROUPS], exposures.groups, "right") - 1]
