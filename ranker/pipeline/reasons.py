"""Explain: from picked places to items with their reasons.

A reason's weight is its share of what speaks for the item: weight × feature, positive ones only, adding up to
1 over all codes, rounded. The codes are a closed list:

similar_to   near a video that the person watched or liked; names it
creator      its creator is followed or often watched
trending     many people turn to it now
fresh        newly uploaded
popular      many people have turned to it
explore      drawn by chance among fresh uploads, to learn about them
"""

from collections.abc import Sequence
from itertools import accumulate, islice, repeat

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.features import NAMES
from ranker.pipeline.merge import FILL, FILL_BIT
from ranker.pipeline.scorers import Weights
from ranker.pipeline.types import Candidates, Explain, FeatureMatrix, Floats, Places, Rows, Scores, Selection
from schemas.messages.recommendations import Because, Item

REASONS = {
    "similar_to": ("similar", "liking"),
    "creator": ("creator",),
    "trending": ("trend",),
    "fresh": ("fresh",),
    "popular": ("popular",),
}
FEATURES = [NAMES.index(name) for names in REASONS.values() for name in names]
FIRST = [0, *accumulate(len(names) for names in REASONS.values())][:-1]  # of each code
CODES = (*REASONS, "explore")
SIMILAR = CODES.index("similar_to")
SHOWN = 2  # reasons of one item, most
LEAST = 0.1  # a smaller share is worth saying only if it is the greatest
EXPLORED = [Because("explore", 1.0)]
DIGITS = 6
TINY = 10.0**-DIGITS


def explain(catalogue: Catalogue, weights: Weights, sources: Sequence[str]) -> Explain:
    """Items with reasons by what `weights` make of the features; `sources` names the candidates' bits."""
    pulls = np.array([[max(0.0, weights.linear_effect(name))] for name in NAMES], np.float32)
    bit_of = {name: i for i, name in enumerate(sources)} | {FILL: FILL_BIT}
    named = [[name for name, bit in bit_of.items() if bits >> bit & 1] for bits in range(256)]

    def explain(candidates: Candidates, features: FeatureMatrix, scores: Scores, picks: Selection) -> list[list[Item]]:
        there = picks.at >= 0
        at, chance = picks.at[there], picks.propensity[there].tolist()
        share = shares(features.values[:, at], pulls)
        because = reasons_of(share, nearest(features, candidates.of[at], at), catalogue.ids)
        items = map(
            Item,
            there.cumsum(axis=1)[there].tolist(),  # ranks
            [catalogue.ids[row] for row in candidates.rows[at].tolist()],
            rounded(scores.score[at]).tolist(),
            probabilities(scores, at),
            chance,
            [named[bits] for bits in candidates.sources[at].tolist()],
            [reasons if one == 1.0 else EXPLORED for reasons, one in zip(because, chance, strict=True)],
        )
        return [[*islice(items, count)] for count in there.sum(axis=1).tolist()]

    return explain


def probabilities(scores: Scores, at: Places) -> list[dict[str, float]]:
    """What each head says of the candidates `at` [M]."""
    heads = rounded(np.array([head[at] for head in scores.heads.values()])).clip(TINY, 1 - TINY)  # [H, M]
    return [*map(dict, map(zip, repeat(tuple(scores.heads)), heads.T.tolist()))]  # twice as fast as comprehensions


def nearest(features: FeatureMatrix, of: Places, at: Places) -> Rows:
    """The interest that is nearest to each of the candidates `at` [M], −1: none is near."""
    nearness = features.nearness[:, at]
    return np.where(nearness.max(axis=0) > 0, features.interests[of, nearness.argmax(axis=0)], -1)


def shares(values: Floats, pulls: Floats) -> Floats:
    """Each code's share of what speaks for an item: features [F, M] and their pulls [F, 1] → [codes, M]."""
    parts = pulls * np.maximum(values, 0)
    by_code = np.add.reduceat(parts[FEATURES], FIRST, axis=0)
    total = by_code.sum(axis=0)
    by_code[-1] += total == 0  # nothing speaks for it but that something has to be shown
    by_code /= np.where(total > 0, total, np.float32(1))
    return by_code


def reasons_of(share: Floats, near: Rows, ids: Sequence[str]) -> list[list[Because]]:
    """The greatest share of every item [codes, M], and the next if it matters; of equal ones the code listed first."""
    order = np.argsort(-share, axis=0, kind="stable")[:SHOWN]  # [SHOWN, M]
    weights = rounded(np.take_along_axis(share, order, axis=0))
    named = np.where(order == SIMILAR, near, -1)
    first, second = (
        [Because(CODES[code], worth, ids[row] if row >= 0 else None) for code, worth, row in zip(*of_one, strict=True)]
        for of_one in zip(order.tolist(), weights.tolist(), named.tolist(), strict=True)
    )
    both = (weights[1] >= LEAST).tolist()
    return [[one, other] if two else [one] for one, other, two in zip(first, second, both, strict=True)]


def rounded(values: Floats) -> NDArray[np.float64]:
    """Six digits: enough to compare, and short in JSON."""
    wide: NDArray[np.float64] = values.astype(np.float64)
    return wide.round(DIGITS)
