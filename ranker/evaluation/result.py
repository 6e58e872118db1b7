"""The result of an evaluation, as data, and as the JSON that is written of it.

    {"heads": {"finish": {"auc": [value, low, high], …, "groups": {"0": […], …}}, "like": …, "skip": …},
     "ranking": {…}, "slates": {…},
     "baselines": {name: {"heads": {…the same…}}},
     "differences": {name: {"finish": {"auc": [value, low, high], …}, …}}}

A figure that there is not is null, and so are the ends of its interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ranker.evaluation.bootstrap import Estimate

DIGITS = 6  # more would depend on the machine's arithmetic

Given = Mapping[str, Any]  # figures that a caller hands in, by name


@dataclass(frozen=True)
class Bin:
    """Exposures with about the same predicted probability, and how often the outcome happened among them."""

    predicted: float
    observed: Estimate
    exposures: int


@dataclass(frozen=True)
class Day:
    """The AUC of 24 hours; training days have no interval."""

    start_ms: int
    auc: Estimate
    exposures: int
    is_training: bool = False


@dataclass(frozen=True)
class HeadResult:
    """What an evaluation says of a model for one head: figures by key, AUC by activity group, calibration and days."""

    figures: Mapping[str, Estimate]
    groups: Mapping[str, Estimate]
    calibration: Sequence[Bin] = ()
    days: Sequence[Day] = ()


@dataclass(frozen=True)
class Sizes:
    """What was evaluated.

    positives  share of the exposures that had each outcome, by head
    groups     exposures in each activity group
    unusable   scores that are not finite, by model; models without any are left out
    """

    exposures: int
    people: int
    draws: int
    seed: int
    positives: Mapping[str, float]
    groups: Mapping[str, int]
    unusable: Mapping[str, int]


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    heads        of our model, which is called `name`
    baselines    the same of each baseline
    differences  ours minus the baseline's, by baseline, head and figure
    ranking      figures of the whole catalogue, and `slates` of slates, both as the caller handed them in
    """

    name: str
    sizes: Sizes
    heads: Mapping[str, HeadResult]
    baselines: Mapping[str, Mapping[str, HeadResult]]
    differences: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    ranking: Given | None = None
    slates: Given | None = None

    @property
    def models(self) -> Mapping[str, Mapping[str, HeadResult]]:
        """Results of all models by name, ours first."""
        return {self.name: self.heads, **self.baselines}


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The result as plain values, which any JSON writer takes."""
    sizes = evaluation.sizes
    found = {
        "name": evaluation.name,
        "exposures": sizes.exposures,
        "people": sizes.people,
        "draws": sizes.draws,
        "seed": sizes.seed,
        "positives": sizes.positives,
        "group_exposures": sizes.groups,
        "unusable_scores": sizes.unusable,
        "heads": _heads(evaluation.heads),
        "ranking": evaluation.ranking,
        "slates": evaluation.slates,
        "baselines": {name: {"heads": _heads(heads)} for name, heads in evaluation.baselines.items()},
        "differences": evaluation.differences,
    }
    written: dict[str, Any] = plain(found)
    return written


def _heads(heads: Mapping[str, HeadResult]) -> dict[str, Any]:
    return {head: _head(result) for head, result in heads.items()}


def _head(result: HeadResult) -> dict[str, Any]:
    calibration = [
        {"predicted": one.predicted, "observed": one.observed, "exposures": one.exposures} for one in result.calibration
    ]
    days = [
        {"start_ms": day.start_ms, "auc": day.auc, "exposures": day.exposures, "is_training": day.is_training}
        for day in result.days
    ]
    return {**result.figures, "groups": result.groups, "calibration": calibration, "days": days}


def plain(value: Any) -> Any:
    """Mappings as dicts, sequences as lists, floats rounded, and None for those that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return round(float(value), DIGITS) if isfinite(value) else None
    return value
