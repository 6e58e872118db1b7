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

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ranker.candidates import Candidates, Features, Floats, Picks, Rows, Scores
from ranker.catalogue import Catalogue
from ranker.features import NAMES
from ranker.scorers import Weights
from ranker.sift import FILL, FILL_BIT
from schemas.outputs import Because, Item

Explain = Callable[[Sequence[Candidates], Features, Scores, Sequence[Picks]], list[list[Item]]]
Fact = tuple[float, dict[str, float], list[Because]]

REASONS = {
    "similar_to": ("similar", "liking"),
    "creator": ("creator",),
    "trending": ("trend",),
    "fresh": ("fresh",),
    "popular": ("popular",),
}
PLACES = [[NAMES.index(name) for name in names] for names in REASONS.values()]
CODES = (*REASONS, "explore")
SHOWN = 2  # reasons of one item, most
LEAST = 0.1  # a smaller share is worth saying only if it is the greatest
EXPLORED = [Because("explore", 1.0)]
DIGITS = 6
TINY = 10.0**-DIGITS


def explain(catalogue: Catalogue, weights: Weights, sources: Sequence[str]) -> Explain:
    """Items with reasons by what `weights` make of the features; `sources` names the candidates' bits."""
    pulls = np.array([[max(0.0, weights.pull(name))] for name in NAMES], np.float32)
    bit_of = {name: i for i, name in enumerate(sources)} | {FILL: FILL_BIT}
    named = [[name for name, bit in bit_of.items() if bits >> bit & 1] for bits in range(256)]

    def explain(
        candidates: Sequence[Candidates], features: Features, scores: Scores, picks: Sequence[Picks]
    ) -> list[list[Item]]:
        starts = features.bounds[:-1]
        at = np.concatenate([start + pick.at for start, pick in zip(starts, picks, strict=True)])
        facts = facts_of(at, features, scores, pulls, catalogue.ids)
        return [
            items_of(one.rows[pick.at], one.sources[pick.at], pick.propensity, facts, catalogue.ids, named)
            for one, pick in zip(candidates, picks, strict=True)
        ]

    return explain


def items_of(
    rows: Rows,
    found: NDArray[np.uint8],
    chance: NDArray[np.float64],
    facts: Iterator[Fact],
    ids: Sequence[str],
    named: Sequence[list[str]],
) -> list[Item]:
    """One slate's items; takes as many of the batch's facts."""
    places = zip(rows.tolist(), found.tolist(), chance.tolist(), strict=True)
    items = []
    for rank, (row, bits, propensity) in enumerate(places, 1):
        score, p, reasons = next(facts)
        because = reasons if propensity == 1.0 else EXPLORED
        items.append(Item(rank, ids[row], score, p, propensity, named[bits], because))
    return items


def facts_of(
    at: NDArray[np.int64], features: Features, scores: Scores, pulls: Floats, ids: Sequence[str]
) -> Iterator[Fact]:
    """Score, probabilities and reasons of the candidates `at` [M]."""
    heads = rounded(np.array([head[at] for head in scores.heads.values()]))  # [H, M]
    ps = [dict(zip(scores.heads, p, strict=True)) for p in heads.clip(TINY, 1 - TINY).T.tolist()]
    reasons = reasons_of(shares(features.values[:, at], pulls), features.similar_to[at], ids)
    return iter(list(zip(rounded(scores.score[at]).tolist(), ps, reasons, strict=True)))


def shares(values: Floats, pulls: Floats) -> Floats:
    """Each code's share of what speaks for an item: features [F, M] and their pulls [F, 1] → [codes, M]."""
    parts = pulls * np.maximum(values, 0)
    by_code = np.zeros((len(REASONS), values.shape[1]), np.float32)
    total = np.zeros(values.shape[1], np.float32)
    for code, places in zip(by_code, PLACES, strict=True):
        for place in places:
            code += parts[place]
        total += code
    by_code[-1] += total == 0  # nothing speaks for it but that something has to be shown
    by_code /= np.where(total > 0, total, np.float32(1))
    return by_code


def reasons_of(share: Floats, similar_to: Rows, ids: Sequence[str]) -> list[list[Because]]:
    """The greatest shares of every item [codes, M], in words; of equal ones the code that is listed first."""
    codes = list(REASONS)
    order = np.argsort(-share, axis=0, kind="stable")[:SHOWN]  # [SHOWN, M]
    weights = rounded(np.take_along_axis(share, order, axis=0))
    reasons = []
    for picks, worths, row in zip(order.T.tolist(), weights.T.tolist(), similar_to.tolist(), strict=True):
        because: list[Because] = []
        for pick, worth in zip(picks, worths, strict=True):
            if worth >= LEAST or not because:
                near = ids[row] if pick == 0 and row >= 0 else None
                because.append(Because(codes[pick], worth, near))
        reasons.append(because)
    return reasons


def rounded(values: Floats) -> NDArray[np.float64]:
    """Six digits: enough to compare, and short in JSON."""
    wide: NDArray[np.float64] = values.astype(np.float64)
    return wide.round(DIGITS)
