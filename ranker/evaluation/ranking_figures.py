"""Figures of order: AUC over everything, and AUC within each person, as statistics of how often a person was drawn.

Hanley & McNeil 1982 for AUC; Zhu et al. 2017, "Optimized Cost per Click in Taobao Display Advertising" for GAUC. A tie
counts half; scores that are not finite rank last.
"""

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.bootstrap import Floats, Statistic, divide, ratio, sums_by
from ranker.evaluation.metrics import last_if_not_finite

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]


def auc_of(scores: Floats, positive: Bools, people: Numbers) -> Statistic:
    """The AUC over all exposures [n], of which everything is sorted once.

    >>> auc = auc_of(np.array([0.9, 0.5, 0.1]), np.array([True, False, True]), np.array([0, 0, 1]))
    >>> auc(np.array([[1.0, 1.0], [3.0, 1.0]])).tolist()
    [0.5, 0.75]
    """
    ranked = last_if_not_finite(scores)
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    positives = positives[np.argsort(ranked[positives], kind="stable")]
    negatives = negatives[np.argsort(ranked[negatives], kind="stable")]
    below = ranked[negatives].searchsorted(ranked[positives], "left")
    up_to = ranked[negatives].searchsorted(ranked[positives], "right")
    of_positives, of_negatives = people[positives], people[negatives]

    def statistic(drawn: Floats) -> Floats:
        times = drawn.astype(np.int32)  # sums of whole numbers are exact, and quicker
        passed = np.zeros((len(times), len(negatives) + 1), np.int32)  # negatives up to each, [b, N + 1]
        np.cumsum(times.take(of_negatives, axis=1), axis=1, out=passed[:, 1:])
        here = times.take(of_positives, axis=1)  # [b, P]
        twice = np.einsum("bp,bp->b", here, passed.take(below, axis=1) + passed.take(up_to, axis=1), dtype=np.int64)
        return divide(twice / 2, (here.sum(axis=1) * passed[:, -1].astype(np.float64)))

    return statistic


def gauc_of(scores: Floats, positive: Bools, people: Numbers, within: Numbers) -> Statistic:
    """The mean AUC within each group of exposures that has both outcomes, weighted by its exposures.

    people  of each exposure [n]
    within  group of each exposure [n]; a group is one person's
    """
    aucs, exposures = auc_within(within, scores, positive)
    has_both = np.isfinite(aucs)
    weight = np.where(has_both, exposures, 0)
    owner = np.zeros(len(aucs), np.int64)
    owner[within] = people
    size = people.max(initial=-1) + 1
    return ratio(sums_by(owner, np.where(has_both, aucs, 0) * weight, size), sums_by(owner, weight, size))


def auc_within(groups: Numbers, scores: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """The AUC within each group [G], NaN where all outcomes are the same, and how many exposures it has [G].

    groups  of each exposure, from 0 [n]

    >>> auc_within(np.array([0, 0, 0, 1]), np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, True]))
    (array([0.75,  nan]), array([3., 1.]))
    """
    ranked = last_if_not_finite(scores)
    order = np.lexsort((ranked, groups))
    groups, ranked, positive = groups[order], ranked[order], positive[order]
    passed = np.concatenate([[0], np.cumsum(~positive)])  # negatives before each place
    start, stop = _runs(groups, ranked)
    twice = passed[start] + passed[stop] - 2 * passed[groups.searchsorted(groups)]
    size = groups.max(initial=-1) + 1
    won, positives = sums_by(groups, np.where(positive, twice / 2, 0), size), sums_by(groups, positive, size)
    exposures = sums_by(groups, np.ones(len(groups)), size)
    return divide(won, positives * (exposures - positives)), exposures


def _runs(groups: Numbers, ranked: Floats) -> tuple[Numbers, Numbers]:
    """Where the ties of each exposure start and stop, for exposures sorted by group and score."""
    is_new = np.ones(len(groups), np.bool_)
    is_new[1:] = (groups[1:] != groups[:-1]) | (ranked[1:] != ranked[:-1])
    starts = np.flatnonzero(is_new)
    run = np.cumsum(is_new) - 1
    return starts[run], np.append(starts[1:], len(groups))[run]
