"""Figures the long way, of exposures that are written out: what the quick ones must give."""

import numpy as np


def written_out(drawn, *columns, people):
    """Every exposure as often as its person was drawn; each copy of a person is a person of its own."""
    places, owners, number = [], [], 0
    for person, times in enumerate(drawn.astype(int)):
        for _ in range(times):
            theirs = np.flatnonzero(people == person)
            places += theirs.tolist()
            owners += [number] * len(theirs)
            number += 1
    chosen = np.array(places, int)
    return np.array(owners, int), *(column[chosen] for column in columns)


def auc_by_pairs(scores, positive):
    """AUC pair by pair; what is not finite loses against everything else."""
    ranked = [score if np.isfinite(score) else -np.inf for score in scores]
    pairs = [(a, b) for a, up in zip(ranked, positive, strict=True) if up for b, down in _negatives(ranked, positive)]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs) if pairs else np.nan


def _negatives(ranked, positive):
    return [(score, up) for score, up in zip(ranked, positive, strict=True) if not up]


def gauc_by_pairs(scores, positive, groups):
    """The mean AUC of groups with both outcomes, weighted by their exposures."""
    total = weight = 0.0
    for group in sorted(set(groups)):
        chosen = groups == group
        found = auc_by_pairs(scores[chosen], positive[chosen])
        if not np.isnan(found):
            total, weight = total + found * chosen.sum(), weight + chosen.sum()
    return total / weight if weight else np.nan
