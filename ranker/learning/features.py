"""The features by which an exposure's outcomes are predicted, all of them as they were before it.

One table says what they are called, what they belong to, and the weight with which they begin. `person` is what is the
same for all videos that are shown to a person; slates are sorted without it.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.learning.fields import FIELDS
from ranker.profile.counters import RECENCY, Counters
from ranker.profile.outcomes import HEADS
from schemas.messages.fields import DAY_MS

Floats = NDArray[np.float64]
Part = Literal["person", "context", "video"]

USUAL_RATES = np.array([0.32, 0.02, 0.25])  # before anything was counted
USUAL_WORTH = 50  # exposures that these are worth
PERSON_WORTH, KEY_WORTH = 4.0, 10.0  # exposures that the overall rate is worth in a rate of few
USUAL_LOG_EXPOSURES = 2.0


class Feature(NamedTuple):
    """A feature's name, what it belongs to, and the weight with which it begins, with that weight's variance.

    Both are about what was learned on two logs that differ in all else, KuaiRand and MovieLens: no weight is learned
    anew from the exposures of a few people.
    """

    name: str
    part: Part
    weight: float = 0.0
    variance: float = 0.05


OF_A_RATE = 0.005  # variance: a person's log-odds reach 5 and more, and a single one must not turn a weight round
RATED = tuple(place for place, field in enumerate(FIELDS) if field.has_rate)
FEATURES = (
    Feature("always", "context", variance=1.0),
    *(Feature(f"effect of {field.name}", field.part, 0.7) for field in FIELDS),
    *(Feature(f"rate of {FIELDS[place].name}", "video") for place in RATED),
    Feature("rate of person", "person", 0.5, OF_A_RATE),
    Feature("rate of person on surface", "person", 0.0, OF_A_RATE),
    Feature("rate of person lately", "person", 0.5),
    Feature("last outcome", "person", 0.3),
    Feature("exposures of person", "person"),
    Feature("time since last", "person"),
    Feature("next outcome's rate of person", "person", 0.0, OF_A_RATE),  # of a finish: likes, then skips
    Feature("other outcome's rate of person", "person", 0.0, OF_A_RATE),
)
NAMES = tuple(feature.name for feature in FEATURES)
IS_PERSON = np.array([feature.part == "person" for feature in FEATURES])
EFFECTS = slice(1, 1 + len(FIELDS))
RATES = slice(EFFECTS.stop, EFFECTS.stop + len(RATED))
PERSON = slice(RATES.stop, len(FEATURES))
RATE_OF_PERSON = NAMES.index("rate of person")

NEXT_HEAD = np.roll(np.arange(len(HEADS)), -1)
FIRST_LOGITS = np.array([-0.7, -4.0, -1.0])  # of the usual rates
FIRST_WEIGHTS: Floats = np.array([[one.weight for one in FEATURES]] * len(HEADS))
FIRST_WEIGHTS[:, 0] = FIRST_LOGITS
WEIGHT_VARIANCE: Floats = np.array([one.variance for one in FEATURES])


def logit(share: Floats) -> Floats:
    """Log-odds.

    >>> float(logit(np.array(0.5)))
    0.0
    """
    return np.log(share / (1 - share))


def overall_rates(totals: Floats) -> Floats:
    """How often each outcome was seen so far, of everybody [H]."""
    return smoothed(totals, USUAL_RATES, USUAL_WORTH)


def smoothed(counts: Floats, rates: Floats, worth: float | Floats) -> Floats:
    """Rates of few, drawn towards the overall ones, which are worth so many exposures: [..., 1 + H] to [..., H].

    Somebody may like a video again and again that they met once: no outcome counts more often than the exposures.
    """
    exposures = counts[..., :1]
    found: Floats = (np.minimum(counts[..., 1:], exposures) + worth * rates) / (exposures + worth)
    return found


def rate_logits(counts: Floats, rates: Floats, worth: float) -> Floats:
    """How far smoothed rates lie above the overall ones, in log-odds: [..., 1 + H] to [..., H]."""
    return logit(smoothed(counts, rates, worth)) - logit(rates)


class PersonNumbers(NamedTuple):
    """A person's counters as numbers, for exposures on a surface at a time."""

    counts: Floats  # [n, 1 + H] exposures and outcomes
    on_surface: Floats  # [n, 1 + H]
    lately: Floats  # [n, H] as Counters has them
    last: Floats  # [n, H] outcomes of the last exposure
    since_ms: Floats  # [n] since the last exposure


def person_numbers(people: Sequence[tuple[Counters, str, int]]) -> PersonNumbers:
    """The counters of people as they are about to meet something on this surface at this time."""
    numbers = chain.from_iterable([_numbers(*one) for one in people])
    table = np.fromiter(numbers, np.float64, 15 * len(people)).reshape(-1, 15)
    return PersonNumbers(table[:, :4], table[:, 4:8], table[:, 8:11], table[:, 11:14], table[:, 14])


def _numbers(counters: Counters, surface: str, at_ms: int) -> tuple[float, ...]:
    exposures = finished = liked = skipped = 0
    here = (0, 0, 0, 0)
    for one in counters.surfaces:
        exposures += one.exposures
        finished += one.finished
        liked += one.liked
        skipped += one.skipped
        if one.surface == surface:
            here = one.exposures, one.finished, one.liked, one.skipped
    bits = counters.bits
    return (
        exposures, finished, liked, skipped, *here,
        counters.finish_rate, counters.like_rate, counters.skip_rate,
        bits & 1, bits >> 1 & 1, bits >> 2 & 1, max(0, at_ms - counters.at_ms),
    )  # fmt: skip


def person_features(people: PersonNumbers, rates: Floats) -> Floats:
    """The features of people [n, H, 8]; of somebody new all are 0 but the two that say so."""
    known = people.counts[:, :1] > 0
    overall, here = rate_logits(np.stack([people.counts, people.on_surface]), rates, PERSON_WORTH)
    found = np.empty((len(known), len(HEADS), PERSON.stop - PERSON.start))
    found[:, :, 0] = overall
    found[:, :, 1] = np.where(people.on_surface[:, :1] > 0, here - overall, 0)
    most = 1 - (1 - RECENCY) ** people.counts[:, :1]  # of a rate of late, where all had the outcome
    found[:, :, 2] = np.minimum(people.lately, most) - most * rates
    found[:, :, 3] = np.where(known, people.last - rates, 0)
    found[:, :, 4] = np.log1p(people.counts[:, :1]) - USUAL_LOG_EXPOSURES
    found[:, :, 5] = np.where(known, np.minimum(1, people.since_ms[:, None] / DAY_MS), 1)
    found[:, :, 6] = overall[:, NEXT_HEAD]
    found[:, :, 7] = overall[:, NEXT_HEAD[NEXT_HEAD]]
    return found


def features(effects: Floats, counts: Floats, people: Floats, rates: Floats) -> Floats:
    """The features of exposures [n, H, D].

    effects  of their keys [n, F, H]
    counts   of their keys [n, F, 1 + H]
    people   features of their people [n, H, 8]
    rates    overall [H]
    """
    found = np.empty((len(effects), len(HEADS), len(FEATURES)))
    found[:, :, 0] = 1
    found[:, :, EFFECTS] = effects.transpose(0, 2, 1)
    found[:, :, RATES] = rate_logits(counts[:, RATED], rates, KEY_WORTH).transpose(0, 2, 1)
    found[:, :, PERSON] = people
    return found
