"""Explain: from selected places to items with their reasons.

A reason's weight is its share of what speaks for the item; the shares of all codes add up to 1, and the greatest are
shown, rounded. If the scorer can tell what contributed to a score, a code with features speaks by their contributions,
and a code without features by its sources. For items that this leaves unexplained, every code speaks by its sources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, islice, repeat

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Floats, Mask, Places, Rows
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.packed import ByRow
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.kernel.calls import Shown
from ranker.pipeline.source_sets import SourceSets
from ranker.pipeline.types import Candidates, Contributions, Explain, FeatureMatrix, Scores, Selection
from schemas.messages.recommendations import Because, Item

MIN_SECOND_SHARE = 0.1  # of two reasons at most; a smaller share is shown only if it is the greatest
EXPLORED = [Because("explore", 1.0)]  # of an item that was drawn by chance, to learn about it
DIGITS = 6
SMALLEST = 10.0**-DIGITS
MIN_LOSS = np.float32(0.01)  # an interest without which a reason loses a smaller share is not named; a guess


@dataclass(frozen=True)
class Reason:
    """One line of a feed's table: a reason code, and the features and sources that it stands for."""

    code: str
    features: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    source_weight: float = 1.0  # what a source counts, in the unit of the scorer's contributions
    names_interest: bool = False  # whether the reason names the interest without which it would lose most


def explain(catalogue: Catalogue, table: Sequence[Reason]) -> Explain:
    """Items with reasons by a table, whose last code also stands for items for which no code speaks.

    A source that the table does not list has its own name for a reason code.
    """
    listed = {source for reason in table for source in reason.sources}

    @cache
    def table_for(sources: tuple[str, ...]) -> tuple[Reason, ...]:
        return (*(Reason(name, sources=(name,)) for name in sources if name not in listed), *table)

    def explain(
        candidates: Candidates, features: FeatureMatrix, scores: Scores, selection: Selection
    ) -> list[list[Item]]:
        chosen = selection.places >= 0
        places, propensity = selection.places[chosen], selection.propensity[chosen].tolist()
        sources = candidates.sources[places]
        reasons = table_for(sources.names)
        contributions = scores.contributions(places) if scores.contributions else None
        shown = shown_codes(reasons, contributions, sources)
        named = {
            code: named_where_shown(code, reason, shown, features, contributions, candidates.query[places], places)
            for code, reason in enumerate(reasons)
            if reason.names_interest
        }
        because = reasons_of(shown, reasons, named, catalogue.ids)
        items = map(
            Item,
            chosen.cumsum(axis=1)[chosen].tolist(),  # ranks
            [catalogue.ids[row] for row in candidates.rows[places].tolist()],
            rounded(scores.score[places]).tolist(),
            probabilities(scores, places),
            propensity,
            sources.to_lists(),
            [given if chance == 1.0 else EXPLORED for given, chance in zip(because, propensity, strict=True)],
        )
        return [[*islice(items, count)] for count in chosen.sum(axis=1).tolist()]

    return explain


def probabilities(scores: Scores, places: Places) -> list[dict[str, float]]:
    """What each head says of the candidates at these places [M]."""
    if not scores.heads:
        return [{} for _ in places]
    heads = rounded(np.array([head[places] for head in scores.heads.values()])).clip(SMALLEST, 1 - SMALLEST)  # [H, M]
    if switch.is_used():
        return calls.named_rows(tuple(scores.heads), heads)
    return [*map(dict, map(zip, repeat(tuple(scores.heads)), heads.T.tolist()))]  # twice as fast as comprehensions


def named_where_shown(
    code: int,
    reason: Reason,
    shown: Shown,
    features: FeatureMatrix,
    contributions: Contributions | None,
    query: Places,
    places: Places,
) -> Rows:
    """The interest that a code names for each item [M], −1 where none is named or the code is not shown."""
    rows, items = np.full(len(places), -1, np.int32), np.flatnonzero((shown.first == code) | (shown.second == code))
    if contributions is not None:
        contributions = contributions._replace(values=contributions.values[:, items])
    if len(items):
        rows[items] = named_interest(reason, features, contributions, query[items], places[items])
    return rows


def named_interest(
    reason: Reason, features: FeatureMatrix, contributions: Contributions | None, query: Places, places: Places
) -> Rows:
    """The interest without which a reason would lose most, for the candidates at these places [M], −1: none matters.

    Where several are alike none is named, since without any one of them the others say the same.
    """
    if features.without is None or not len(features.nearness):
        return nearest_interest(features, query, places)
    stated = np.zeros(len(places), np.float32)
    loss = np.zeros((len(features.nearness), len(places)), np.float32)
    for name, without in features.without(places).items():
        if name in reason.features:
            value = features[name][places]
            effect = _effect(contributions, name, value)
            stated += np.maximum(effect * value, 0)
            loss += effect * (value - without)
    matters = loss.max(axis=0) > np.maximum(MIN_LOSS * stated, 0)
    return np.where(matters, features.interests[query, loss.argmax(axis=0)], -1)


def _effect(contributions: Contributions | None, name: str, value: Floats) -> Floats:
    """What a feature contributes for each unit of it [M]; 1 where contributions cannot be told."""
    if contributions is None:
        return np.ones_like(value)
    if name not in contributions.names:
        return np.zeros_like(value)
    contributed = contributions.values[contributions.names.index(name)]
    effect: Floats = np.divide(contributed, value, out=np.zeros_like(value), where=value != 0)
    return effect


def nearest_interest(features: FeatureMatrix, query: Places, places: Places) -> Rows:
    """The interest that is nearest to each of the candidates at these places [M], −1: none is near."""
    if not len(features.nearness):
        return np.full(len(places), -1, np.int32)
    nearness = features.nearness[:, places]
    return np.where(nearness.max(axis=0) > 0, features.interests[query, nearness.argmax(axis=0)], -1)


def strengths(table: Sequence[Reason], contributions: Contributions | None, sources: SourceSets) -> Floats:
    """How strongly each code of a table speaks for M items [codes, M], zero or more.

    >>> from ranker.pipeline.source_sets import single
    >>> contributions = Contributions(("trend",), np.array([[0.5, -0.5]], np.float32))
    >>> table = (Reason("trending", features=("trend",)), Reason("season", sources=("seasonal",)))
    >>> strengths(table, contributions, single(("seasonal",), "seasonal", 2)).tolist()
    [[0.5, 0.0], [1.0, 1.0]]
    """
    if contributions is None:
        return np.array([by_sources(reason, sources) for reason in table])
    names, positive = contributions.names, np.maximum(contributions.values, 0)
    by_feature = [[names.index(name) for name in reason.features if name in names] for reason in table]
    strength = np.array(
        [
            positive[rows].sum(axis=0) if reason.features else by_sources(reason, sources)
            for reason, rows in zip(table, by_feature, strict=True)
        ]
    )
    unexplained: Mask = np.logical_not(strength.any(axis=0))
    if unexplained.any():
        strength[:, unexplained] = strengths(table, None, sources[unexplained])
    return strength


def by_sources(reason: Reason, sources: SourceSets) -> Floats:
    """How strongly a code speaks for M items by their sources [M]."""
    strength = np.zeros(len(sources.words), np.float32)
    for name in reason.sources:
        strength[sources.contain(name)] = reason.source_weight
    return strength


def shares(strength: Floats) -> Floats:
    """Each code's share of what speaks for an item [codes, M]; all to the last code where nothing does."""
    total = strength.sum(axis=0)
    strength[-1] += total == 0
    strength /= np.where(total > 0, total, np.float32(1))
    return strength


def shown_codes(table: Sequence[Reason], contributions: Contributions | None, sources: SourceSets) -> Shown:
    """Which codes of a table are shown for M items, and by what share."""
    if contributions is None or len(sources.words) < 2 or sources.words.shape[1] > 1 or not switch.is_used():
        return greatest_two(shares(strengths(table, contributions, sources)))
    codes = codes_of(tuple(table), contributions.names, sources.names)
    return calls.reasons(contributions.values, codes, sources.words, MIN_SECOND_SHARE)[1]


@lru_cache(64)
def codes_of(table: tuple[Reason, ...], names: tuple[str, ...], sources: tuple[str, ...]) -> calls.Codes:
    """A table as arrays."""
    features = [[names.index(name) for name in reason.features if name in names] for reason in table]
    bits = [sum(1 << sources.index(name) for name in {*reason.sources} if name in sources) for reason in table]
    return calls.Codes(
        np.array([*chain.from_iterable(features)], np.int64),
        np.cumsum([*map(len, features)], dtype=np.int64),
        np.array([bool(reason.features) for reason in table]),
        np.array(bits, np.uint64),
        np.array([reason.source_weight for reason in table], np.float32),
    )


def greatest_two(share: Floats) -> Shown:
    """The greatest share of every item [codes, M], and the next if it matters; of equal ones the code listed first."""
    items = np.arange(share.shape[1])
    left = np.where(np.isnan(share), -1, share)
    first = left.argmax(axis=0)
    left[first, items] = -2
    second = left.argmax(axis=0)
    is_shown = rounded(left[second, items]) >= MIN_SECOND_SHARE
    return Shown(first, rounded(share[first, items]), np.where(is_shown, second, -1), rounded(share[second, items]))


def reasons_of(
    shown: Shown, table: Sequence[Reason], interest: Mapping[int, Rows], ids: ByRow[str]
) -> list[list[Because]]:
    """The reasons of every item.

    interest  which a code names [M] by its place in the table, −1: none; a code that is left out names none
    """
    codes = [reason.code for reason in table]

    def because(items: Places, places: Places, weights: NDArray[np.float64]) -> list[Because]:
        rows = np.full(len(places), -1, np.int32)
        for code, named in interest.items():
            np.copyto(rows, named[items], where=places == code)
        video_ids = [ids[row] if row >= 0 else None for row in rows.tolist()]
        return [*map(Because, map(codes.__getitem__, places.tolist()), weights.tolist(), video_ids)]

    found = [[one] for one in because(np.arange(len(shown.first)), shown.first, shown.weight)]
    also = np.flatnonzero(shown.second >= 0)
    for item, one in zip(also.tolist(), because(also, shown.second[also], shown.second_weight[also]), strict=True):
        found[item].append(one)
    return found


def rounded(values: Floats) -> NDArray[np.float64]:
    """Six digits: enough to compare, and short in JSON."""
    wide: NDArray[np.float64] = values.astype(np.float64)
    return wide.round(DIGITS)
