"""Figures of the whole catalogue: how far up the video stands that a person finished, among all that they had not met.

Each person counts once, or as often as they had the outcome; what is drawn are people. A tie counts half: of two videos
with the same score each is half a place behind the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranker.evaluation.bootstrap import Estimate, Floats, Statistic, estimate, ratio, sample, sums_by
from ranker.evaluation.metrics import last_if_not_finite
from ranker.evaluation.ranking_figures import Bools, Numbers
from ranker.evaluation.result import Given

TOP, CANDIDATES = 10, 100
LEAD = "lead in "  # before a figure: ours minus this one
CAUTION = (
    "People can take to only what the platform showed them, so these figures partly measure how well a source imitates "
    "the platform by which the log was recorded."
)
UNION = "all sources together"


@dataclass(frozen=True)
class CatalogueRanks:
    """The place of the video that each person finished, by what it was ranked by; 0 is the first.

    ours        of our model [P]
    sources     of each baseline [P]
    on_surface  the same among those alone that were met on this surface before; infinite where it was not [P]
    is_young    whether nobody had met the video an hour before [P]
    people      number of the person, from 0 [P]
    others      of models that are no sources of candidates [P]
    """

    name: str
    ours: Floats
    sources: Mapping[str, Floats]
    on_surface: Mapping[str, Floats]
    is_young: Bools
    people: Numbers
    others: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def models(self) -> Mapping[str, Floats]:
        """The places by all, ours first."""
        return {self.name: self.ours, **self.sources, **self.others}


def place_of(chosen: int, scores: NDArray[np.floating], may_come: Bools) -> float:
    """How many of the videos that may come stand before this one, by their scores [N]; infinite if it may not come.

    >>> place_of(1, np.array([9.0, 5.0, 5.0, 7.0]), np.array([False, True, True, True]))
    1.5
    """
    if not may_come[chosen]:
        return float("inf")
    ranked = last_if_not_finite(scores.astype(np.float64))
    others = ranked[may_come]
    above, equal = (others > ranked[chosen]).sum(), (others == ranked[chosen]).sum()
    return float(above + (equal - 1) / 2)


def hits(places: Floats, top: int) -> Floats:
    """1 where the video is among the first.

    >>> hits(np.array([0.0, 9.5, 10.0]), 10).tolist()
    [1.0, 1.0, 0.0]
    """
    return (places < top).astype(np.float64)


def gains(places: Floats, top: int) -> Floats:
    """The NDCG where one video is relevant (Järvelin & Kekäläinen 2002).

    >>> gains(np.array([0.0, 2.0, 10.0]), 10).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.where(places < top, 1 / np.log2(2 + places), 0.0)


def catalogue_figures(ranks: CatalogueRanks, draws: int, seed: int = 0) -> Given:
    """Each model's figures with their intervals, and by how much ours leads, by model; empty where nobody counts."""
    if not len(ranks.ours):
        return {}
    values = {name: _values(ranks, name, places, draws, seed) for name, places in ranks.models.items()}
    mine = values[ranks.name]
    rows: dict[str, dict[str, Estimate | int]] = {
        name: {**_estimates(theirs), **_leads(mine, {} if name == ranks.name else theirs)}
        for name, theirs in values.items()
    }
    rows[ranks.name] |= {"people": int(ranks.people.max()) + 1, "videos": len(ranks.ours)}
    rows[ranks.name] |= {"people with a young video": len(np.unique(ranks.people[ranks.is_young]))}
    closest = np.min([*ranks.sources.values()], axis=0) if ranks.sources else np.full(len(ranks.ours), np.inf)
    rows[UNION] = {**_estimates(_sampled(ranks, _recalls(closest, ranks.is_young), draws, seed))}
    return rows


def _values(ranks: CatalogueRanks, name: str, places: Floats, draws: int, seed: int) -> dict[str, Floats]:
    """Each figure of a model in each draw of people [1 + draws]; the same draws for all models."""
    statistics = _statistics(places)
    statistics |= {f"{key} on the surface": one for key, one in _statistics(ranks.on_surface[name]).items()}
    return _sampled(ranks, statistics | _recalls(places, ranks.is_young), draws, seed)


def _statistics(places: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Figures as sums over places: what is added, and divided by what."""
    everybody = np.ones(len(places))
    return {
        f"HR@{TOP}": (hits(places, TOP), everybody),
        f"NDCG@{TOP}": (gains(places, TOP), everybody),
        "MRR": (1 / (1 + places), everybody),
    }


def _recalls(places: Floats, is_young: Bools) -> dict[str, tuple[Floats, Floats]]:
    found, young = hits(places, CANDIDATES), is_young.astype(np.float64)
    return {
        f"recall@{CANDIDATES}": (found, np.ones(len(places))),
        f"recall@{CANDIDATES} of young videos": (found * young, young),
    }


def _sampled(
    ranks: CatalogueRanks, sums: Mapping[str, tuple[Floats, Floats]], draws: int, seed: int
) -> dict[str, Floats]:
    people = int(ranks.people.max()) + 1
    statistics: dict[str, Statistic] = {
        key: ratio(*(sums_by(ranks.people, side, people) for side in one)) for key, one in sums.items()
    }
    return sample(statistics, people, draws, seed)


def _estimates(values: Mapping[str, Floats]) -> dict[str, Estimate]:
    return {key: estimate(one) for key, one in values.items()}


def _leads(ours: Mapping[str, Floats], theirs: Mapping[str, Floats]) -> dict[str, Estimate]:
    return {f"{LEAD}{key}": estimate(ours[key] - one) for key, one in theirs.items()}
