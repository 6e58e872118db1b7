"""Two ways of ranking compared by their slates: every figure of both, and the difference B − A, with intervals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ranker.catalogue.catalogue import UNNAMED, Catalogue
from ranker.evaluation.bootstrap import NAN, Estimate, Floats, Statistic, estimate, ratio, sample, without_bias
from ranker.evaluation.figures import GROUPS, Figure
from ranker.evaluation.result import plain
from ranker.evaluation.slate_counts import SIDES, Key, Shown, SlateCounts
from ranker.evaluation.slate_figures import gini

SPREAD_DRAWS = 200  # at most of figures that are no sums over people: each of their draws goes over all that was shown
SEED = 0


class SlateFigure(NamedTuple):
    """A figure that is one sum of each side divided by another.

    is_quality  whether one way is better; of the others one is only higher
    """

    figure: Figure
    top: Key
    bottom: Key
    is_quality: bool = False

    @property
    def key(self) -> str:
        """Its name in results."""
        return self.figure.key


def _accuracy(target: str, what: str, said: str) -> list[SlateFigure]:
    known = (("hit@10", "hit rate@10"), ("ndcg@10", "NDCG@10"), ("hit", "hit rate@slate"), ("ndcg", "NDCG@slate"))
    meanings = {"hit": f"how often {said} stood on the slate before it", "ndcg": "the same, less for a lower place"}
    return [
        SlateFigure(
            Figure(f"{target}_{key}", f"{title}, {what}", meanings[key.split("@")[0]]),
            (target, key),
            ("targets", target),
            is_quality=True,
        )
        for key, title in known
    ]


FIGURES = (
    *_accuracy("finish", "next finish", "a video that was new to the person and finished next"),
    *_accuracy("next", "next exposure", "the video, new to the person, that came next, whatever they made of it"),
    SlateFigure(
        Figure("distance", "intra-list distance", "1 − cosine of the vectors of two videos of a slate, on average"),
        ("distance",),
        ("distances",),
    ),
    SlateFigure(
        Figure("novelty", "novelty, bits", "−log2 of the share of people who had met a video by then, on average"),
        ("novelty",),
        ("places",),
    ),
    SlateFigure(
        Figure("degraded", "degraded", "share of the slates that something was missing for", "lower"),
        ("degraded",),
        ("slates",),
        is_quality=True,
    ),
)
SPREAD = (
    Figure("coverage", "coverage", "videos that anybody was shown, among all that are active"),
    Figure("gini_videos", "Gini over videos", "how unevenly places are spread over videos: 0 evenly, 1 all to one"),
    Figure("gini_creators", "Gini over creators", "the same over creators"),
)
ALIKE = (
    Figure("identical", "identical slates", "share of the events after which both show the same videos in one order"),
    Figure("overlap@10", "overlap@10", "share of the first ten places whose videos both have there"),
    Figure("overlap", "overlap", "the same of whole slates"),
    Figure("rbo", "rank-biased overlap", "how alike the orders are, p = 0.9: the first places count most"),
)
GROUPED = ("finish_hit@10", "finish_hit", "finish_ndcg@10", "next_hit@10", "distance", "novelty")
SHARES = {"sources": "source", "reasons": "reason"}


@dataclass(frozen=True)
class SlateSizes:
    """What was compared: pairs of slates, their people, exposures they were tried on, and slates of one side alone."""

    slates: int
    people: int
    targets: Mapping[str, int]
    alone: Mapping[str, int]
    videos: int
    draws: int


@dataclass(frozen=True)
class Both:
    """A figure of A and of B, and B − A on the same draws of people."""

    a: Estimate
    b: Estimate
    difference: Estimate

    def of(self, side: str) -> Estimate:
        """The figure of a side."""
        return self.a if side == SIDES[0] else self.b


@dataclass(frozen=True)
class Comparison:
    """The result.

    names    what A and B are
    figures  by key, as FIGURES and SPREAD have them
    alike    between the slates of A and B, by key, as ALIKE has them
    shares   of the places, by "sources" or "reasons", then by name
    groups   by activity group, then by key, as GROUPED has them
    cpu_ms   of a slate, of the whole replay; None where slates were only read
    """

    names: Mapping[str, str]
    sizes: SlateSizes
    figures: Mapping[str, Both]
    alike: Mapping[str, Estimate]
    shares: Mapping[str, Mapping[str, Both]]
    groups: Mapping[str, Mapping[str, Both]]
    cpu_ms: Mapping[str, float | None]


def compare(
    counts: SlateCounts, catalogue: Catalogue, names: Mapping[str, str], cpu_ms: Mapping[str, float | None], draws: int
) -> Comparison:
    """The figures of what was counted; the same counts give the same figures."""
    people = len(counts.numbers)
    of_sums = sample(_ratios(counts, people), people, draws, SEED)
    spread = sample(_spreads(counts, catalogue), people, min(draws, SPREAD_DRAWS), SEED)
    values = of_sums | {key: without_bias(one) for key, one in spread.items()}
    keys = [*(one.key for one in FIGURES), *(one.key for one in SPREAD)]
    return Comparison(
        names,
        _sizes(counts, catalogue, people, draws),
        {key: _both(values, "all", key) for key in keys},
        {one.key: estimate(values["alike", one.key]) for one in ALIKE},
        {kind: _shares(values, kind) for kind in SHARES},
        {group.key: {key: _both(values, group.key, key) for key in GROUPED} for group in GROUPS},
        cpu_ms,
    )


def as_json(found: Comparison) -> dict[str, Any]:
    """The result as plain values: each estimate is [value, low, high], null where there is none.

    {"names": {"A": …, "B": …}, "slates": …, "people": …, "targets": {"finish": …, "next": …},
     "alone": {"A": …, "B": …}, "videos": …, "draws": …, "cpu_ms": {"A": …, "B": …},
     "figures": {key: {"A": […], "B": […], "difference": […]}}, "alike": {key: […]},
     "sources": {name: {…as figures…}}, "reasons": {…}, "groups": {"0": {key: {…}}, …}}
    """
    sizes = found.sizes
    written: dict[str, Any] = plain(
        {
            "names": found.names,
            "slates": sizes.slates,
            "people": sizes.people,
            "targets": sizes.targets,
            "alone": sizes.alone,
            "videos": sizes.videos,
            "draws": sizes.draws,
            "cpu_ms": found.cpu_ms,
            "figures": _json_of(found.figures),
            "alike": found.alike,
            **{kind: _json_of(shares) for kind, shares in found.shares.items()},
            "groups": {group: _json_of(figures) for group, figures in found.groups.items()},
        }
    )
    return written


def _json_of(figures: Mapping[str, Both]) -> dict[str, Any]:
    return {key: {"A": one.a, "B": one.b, "difference": one.difference} for key, one in figures.items()}


def _ratios(counts: SlateCounts, people: int) -> dict[Key, Statistic]:
    """Every figure that is a sum divided by a sum, by group or "all", side and key."""
    sums = counts.sums
    found: dict[Key, Statistic] = {
        ("alike", one.key): ratio(sums.of((one.key,), people), sums.of(("pairs",), people)) for one in ALIKE
    }
    for side in SIDES:
        for one in FIGURES:
            for name, group in _groups(one.key):
                top = sums.of((side, *one.top), people, group)
                found[name, side, one.key] = ratio(top, sums.of(_bottom(side, one), people, group))
        for kind, column in SHARES.items():
            places = sums.of((side, "places"), people)
            for share in _names(counts, column):
                found[kind, side, share] = ratio(sums.of((side, column, share), people), places)
    return found


def _groups(key: str) -> Iterable[tuple[str, int | None]]:
    yield "all", None
    if key in GROUPED:
        yield from ((group.key, number) for number, group in enumerate(GROUPS))


def _bottom(side: str, one: SlateFigure) -> Key:
    return one.bottom if one.bottom[0] == "targets" else (side, *one.bottom)


def _names(counts: SlateCounts, column: str) -> list[str]:
    return sorted({key[2] for key in counts.sums.columns if key[1:2] == (column,)})


def _spreads(counts: SlateCounts, catalogue: Catalogue) -> dict[Key, Statistic]:
    active = [*catalogue.row_of]
    creators = {one for one in catalogue.creator[catalogue.rows(active)].tolist() if one != UNNAMED}
    found: dict[Key, Statistic] = {}
    for side in SIDES:
        found["all", side, "coverage"] = spread_of(counts.videos[side], active, _covered)
        found["all", side, "gini_videos"] = spread_of(counts.videos[side], active, gini)
        found["all", side, "gini_creators"] = spread_of(counts.creators[side], creators, gini)
    return found


def spread_of(shown: Shown, every: Iterable[Any], figure: Statistic) -> Statistic:
    """A figure of how often each of something was shown; what never was shown counts too.

    every   that could be shown; what is shown and not among them is added
    figure  of places by what was shown [b, n]
    """
    size = len({*every} | shown.numbers.keys())
    people, numbers, times = shown.arrays()
    return lambda drawn: figure(
        np.array([np.bincount(numbers, times * of_people[people], size) for of_people in drawn])
    )


def _covered(places: Floats) -> Floats:
    found: Floats = (places > 0).mean(axis=-1) if places.shape[-1] else np.full(len(places), NAN)
    return found


def _both(values: Mapping[Key, Floats], group: str, key: str) -> Both:
    a, b = (values[group, side, key] for side in SIDES)
    return Both(estimate(a), estimate(b), estimate(b - a))


def _shares(values: Mapping[Key, Floats], kind: str) -> dict[str, Both]:
    """Shares by name, those that are greatest at either side first."""
    names = sorted({key[2] for key in values if key[0] == kind})
    found = {name: _both(values, kind, name) for name in names}
    return dict(sorted(found.items(), key=lambda one: (-max(one[1].a.value, one[1].b.value), one[0])))


def _sizes(counts: SlateCounts, catalogue: Catalogue, people: int, draws: int) -> SlateSizes:
    targets = {name: int(counts.sums.of(("targets", name), people).sum()) for name in ("finish", "next")}
    return SlateSizes(counts.slates, people, targets, counts.alone, len(catalogue), draws)
