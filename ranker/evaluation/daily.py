"""The learning curve: how well a model orders the exposures of each day."""

import numpy as np

from ranker.evaluation.bootstrap import Floats, Statistic, estimate, sample
from ranker.evaluation.predictions import Exposures
from ranker.evaluation.ranking_figures import auc_of
from ranker.evaluation.result import Day
from schemas.messages.fields import DAY_MS


def daily_auc(
    exposures: Exposures, scores: Floats, head: int, first_ms: int, *, draws: int = 0, seed: int = 0
) -> list[Day]:
    """The AUC of each day that has exposures, in order.

    exposures  of people that are numbered without a gap
    scores     [n]
    first_ms   moment from which days of 24 hours are counted, in both directions
    draws      for the interval of each; 0: without intervals
    """
    days = (exposures.at_ms - first_ms) // DAY_MS
    found: dict[int, Statistic] = {}
    for day in np.unique(days).tolist():
        chosen = days == day
        found[day] = auc_of(scores[chosen], exposures.labels[chosen, head] > 0, exposures.people[chosen])
    values = sample(found, int(exposures.people.max(initial=-1)) + 1, draws, seed)
    return [Day(first_ms + day * DAY_MS, estimate(auc), int((days == day).sum())) for day, auc in values.items()]
