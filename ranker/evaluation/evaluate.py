"""An evaluation: a model beside its baselines on the same exposures, each figure with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ranker.evaluation.bootstrap import NAN, Estimate, Floats, estimate, sample, without_bias
from ranker.evaluation.daily import daily_auc
from ranker.evaluation.figures import (
    FIGURES,
    GROUPS,
    Statistics,
    group_of,
    statistics_of,
)
from ranker.evaluation.predictions import Exposures, Scores, check
from ranker.evaluation.probability_figures import equal_mass_bins
from ranker.evaluation.result import Bin, Day, Evaluation, Given, HeadResult, Sizes
from ranker.profile.outcomes import HEADS

DRAWS = 1000
NO_FIGURE = Estimate(NAN)

Values = Mapping[tuple[str, ...], Floats]  # of a model, by head and figure, [1 + draws, ...]


@dataclass(frozen=True)
class Training:
    """Predictions on the training days, for the learning curve alone; models have the names that they are tested by."""

    exposures: Exposures
    models: Sequence[Scores]


def evaluate(
    exposures: Exposures,
    ours: Scores,
    baselines: Sequence[Scores] = (),
    *,
    training: Training | None = None,
    ranking: Given | None = None,
    slates: Given | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Evaluation:
    """Compare a model with baselines on the exposures of the test days; the same input gives the same figures."""
    models = (ours, *baselines)
    check(exposures, models)
    if training:
        check(training.exposures, training.models)
        training = replace(training, exposures=_with_dense_people(training.exposures))
    tested = _with_dense_people(exposures)
    values = {model.name: _values(tested, model, draws, seed) for model in models}
    curves = {model.name: _curves(tested, training, model, draws if model is ours else 0, seed) for model in models}
    results = {model.name: _results(model, values[model.name], curves[model.name]) for model in models}
    return Evaluation(
        name=ours.name,
        sizes=_sizes(tested, models, draws, seed),
        heads=results[ours.name],
        baselines={model.name: results[model.name] for model in baselines},
        differences={model.name: _differences(values[ours.name], values[model.name]) for model in baselines},
        ranking=ranking,
        slates=slates,
    )


def _with_dense_people(exposures: Exposures) -> Exposures:
    """The same with people numbered without a gap, since each number is one that can be drawn."""
    return replace(exposures, people=np.unique(exposures.people, return_inverse=True)[1])


def _people(exposures: Exposures) -> int:
    return int(exposures.people.max(initial=-1)) + 1


def _values(exposures: Exposures, model: Scores, draws: int, seed: int) -> Values:
    """Every figure of a model in every draw; all models have the same draws, since they have the same seed."""
    statistics: Statistics = {}
    for place, head in enumerate(HEADS):
        of_head = statistics_of(exposures, model, place)
        statistics |= {(head, *key): statistic for key, statistic in of_head.items()}
    values = sample(statistics, _people(exposures), draws, seed)
    return {key: without_bias(one) if key[-1] == "ece" else one for key, one in values.items()}


def _curves(
    exposures: Exposures, training: Training | None, model: Scores, draws: int, seed: int
) -> dict[str, list[Day]]:
    """The learning curve by head: the training days, if they are known of this model, then the test days."""
    first_ms = int(exposures.at_ms.min()) if len(exposures) else 0
    found = {
        head: daily_auc(exposures, model.probability[:, place], place, first_ms, draws=draws, seed=seed)
        for place, head in enumerate(HEADS)
    }
    earlier = next((one for one in training.models if one.name == model.name), None) if training else None
    if training and earlier:
        for place, head in enumerate(HEADS):
            before = daily_auc(training.exposures, earlier.probability[:, place], place, first_ms)
            found[head] = [*(replace(day, is_training=True) for day in before), *found[head]]
    return found


def _results(model: Scores, values: Values, curves: Mapping[str, Sequence[Day]]) -> dict[str, HeadResult]:
    return {
        head: HeadResult(
            figures={figure.key: _estimate(values, head, figure.key) for figure in FIGURES},
            groups={group.key: _estimate(values, head, "groups", group.key) for group in GROUPS},
            calibration=_calibration(values, head, model.probability[:, place]),
            days=curves[head],
        )
        for place, head in enumerate(HEADS)
    }


def _estimate(values: Values, *key: str) -> Estimate:
    return estimate(values[key]) if key in values else NO_FIGURE


def _differences(ours: Values, baseline: Values) -> dict[str, dict[str, Estimate]]:
    """Ours minus the baseline's, draw by draw, by head and figure."""
    keys = [(head, figure.key) for head in HEADS for figure in FIGURES]
    both = {key: estimate(ours[key] - baseline[key]) for key in keys if key in ours and key in baseline}
    return {head: {figure.key: both.get((head, figure.key), NO_FIGURE) for figure in FIGURES} for head in HEADS}


def _calibration(values: Values, head: str, probability: Floats) -> tuple[Bin, ...]:
    observed = values.get((head, "calibration"))
    if observed is None:
        return ()
    bins = equal_mass_bins(probability)
    sums, exposures = np.bincount(bins, probability), np.bincount(bins)
    return tuple(
        Bin(float(sums[place] / exposures[place]), estimate(observed[:, place]), int(exposures[place]))
        for place in range(len(exposures))
    )


def _sizes(exposures: Exposures, models: Sequence[Scores], draws: int, seed: int) -> Sizes:
    groups = group_of(exposures)
    unusable = {
        model.name: int((~np.isfinite(model.probability)).sum() + (~np.isfinite(model.held)).sum()) for model in models
    }
    rates = (exposures.labels > 0).mean(axis=0).tolist() if len(exposures) else [NAN] * len(HEADS)
    return Sizes(
        exposures=len(exposures),
        people=_people(exposures),
        draws=draws,
        seed=seed,
        positives=dict(zip(HEADS, rates, strict=True)),
        groups={group.key: int((groups == group.key).sum()) for group in GROUPS},
        unusable={name: count for name, count in unusable.items() if count},
    )
