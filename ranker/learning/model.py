"""The online model: an additive Bayesian logistic regression over keys, and one over features of which it is a part.

Both take an exposure's outcomes in one extended Kalman step (a Laplace approximation of the posterior; McMahan et al.
2013 call the use "online", Graepel et al. 2010 "AdPredictor" is the same idea with a probit). The first has a diagonal
covariance, as its keys are many; the second a full one, as its features are few. So there is no learning rate, and
effects shrink to nothing where little is known.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.learning.clock import FULL_DAY
from ranker.learning.features import (
    FIRST_LOGITS,
    IS_PERSON,
    RATE_OF_PERSON,
    features,
    overall_rates,
    person_features,
    person_numbers,
)
from ranker.learning.fields import Exposure
from ranker.learning.parameters import DAY_S, RECENT_S, Parameters, Rows
from ranker.pipeline.kernel import calls, switch
from ranker.profile.counters import Counters
from ranker.profile.outcomes import HEADS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAILY_DRIFT = 1e-3  # variance that each weight gains in a day, so that it follows what changes
LARGEST_LOGIT = 30.0
FINISH = HEADS.index("finish")
BATCH = 64  # exposures that are learned from together: what they say of one another counts in the next batch


class Shown(NamedTuple):
    """An exposure and the counters of its person before it."""

    exposure: Exposure
    counters: Counters
    at_ms: int


class Prediction(NamedTuple):
    """What is predicted of exposures: the logit is the sum of its parts."""

    rows: Rows  # [n, F] of their keys
    features: Floats  # [n, H, D]
    rank: Floats  # [n, H] of context and video: what sorts a slate
    person: Floats  # [n, H]

    @property
    def logits(self) -> Floats:
        """Log-odds of each outcome [n, H]."""
        return self.rank + self.person

    @property
    def probability(self) -> Floats:
        """The chance of each outcome [n, H]."""
        return sigmoid(self.logits)


class Outcomes(NamedTuple):
    """What came of exposures.

    labels   [n, H] 0 or 1
    learned  [n, H] whether it is learned from: of what is said of an exposure later only that
    counted  [n] whether it is a new exposure
    """

    labels: Floats
    learned: Bools
    counted: Bools


def sigmoid(logits: Floats) -> Floats:
    """The chance that log-odds stand for.

    >>> float(sigmoid(np.array(0.0)))
    0.5
    """
    within = np.minimum(np.maximum(logits, -LARGEST_LOGIT), LARGEST_LOGIT)  # np.clip costs as much as all else here
    return 1 / (1 + np.exp(-within))


def predict(parameters: Parameters, shown: Sequence[Shown], *, grow: bool = False) -> Prediction:
    """Predict every head for exposures; `grow` makes rows for keys that are new, as `learn` wants it."""
    rows = parameters.rows((one.exposure for one in shown), grow=grow)
    people = person_numbers([(one.counters, one.exposure.surface, one.at_ms) for one in shown])
    rates = overall_rates(parameters.totals)
    found = features(parameters.effect[rows], parameters.counts[rows], person_features(people, rates), rates)
    parts = parameters.weights * found
    return Prediction(rows, found, parts[..., ~IS_PERSON].sum(axis=-1), parts[..., IS_PERSON].sum(axis=-1))


def rank_logits(parameters: Parameters, shown: Sequence[Shown]) -> Floats:
    """`Prediction.rank` alone, of exposures by what is known [n, H]."""
    rows = parameters.rows((one.exposure for one in shown), grow=False)
    rates, nothing = overall_rates(parameters.totals), np.zeros((len(shown), len(HEADS), IS_PERSON.sum()))
    parts = parameters.weights * features(parameters.effect[rows], parameters.counts[rows], nothing, rates)
    rank: Floats = parts[..., ~IS_PERSON].sum(axis=-1)
    return rank


def drift(parameters: Parameters, tick: int, exposures: int) -> None:
    """Let the weights become as uncertain as time makes them, before so many exposures are learned from.

    As by an ExposureClock: where years pass with few exposures, time alone would make them follow whoever is there now.

    tick  a second of event time
    """
    if parameters.tick and tick > parameters.tick:
        days = min((tick - parameters.tick) / DAY_S, exposures / FULL_DAY)
        parameters.covariance += DAILY_DRIFT * days * np.eye(parameters.covariance.shape[-1])
    parameters.reach(tick)


def learn(parameters: Parameters, predicted: Prediction, outcomes: Outcomes) -> None:
    """Take in what came of exposures, each predicted by these very parameters; at most BATCH of them."""
    chance = sigmoid(FIRST_LOGITS + parameters.effect[predicted.rows].sum(axis=1) + expected_of(predicted))
    touched = learn_effects(parameters.effect, parameters.variance, predicted.rows, chance, outcomes)
    learn_weights(parameters.weights, parameters.covariance, predicted.features, predicted.probability, outcomes)
    _count(parameters, predicted.rows, touched, outcomes)


def expected_of(predicted: Prediction) -> Floats:
    """The log-odds that effects leave to the person [n, H]: at least those of their own rate so far.

    What somebody does with every video says little of this one, and where little is learned yet, the weights do not
    know that.
    """
    return np.maximum(predicted.person, predicted.features[..., RATE_OF_PERSON])


def _count(parameters: Parameters, rows: Rows, touched: Rows, outcomes: Outcomes) -> None:
    counts = np.concatenate([outcomes.counted[:, None], outcomes.labels * outcomes.learned], axis=1)
    count_keys(rows, counts, parameters.counts)
    parameters.recent[touched] *= 2.0 ** ((parameters.met[touched] - parameters.tick) / RECENT_S)
    parameters.met[touched] = parameters.tick
    count_keys(rows, counts[:, 1 + FINISH, None].copy(), parameters.recent[:, None])
    parameters.counts[0] = parameters.recent[0] = 0
    parameters.batches += 1
    parameters.totals += counts.sum(axis=0)


def count_keys(rows: Rows, counted: Floats, counts: Floats) -> None:
    """Add what is counted of each exposure [n, C] to the counts of its keys [K, C], whose rows are [n, F]."""
    if switch.is_used():
        calls.count_keys(rows, counted, counts)
    else:
        np.add.at(counts, rows.ravel(), counted.repeat(rows.shape[1], axis=0))


def learn_effects(effect: Floats, variance: Floats, rows: Rows, chance: Floats, outcomes: Outcomes) -> Rows:
    """An extended Kalman step on the effects of keys, what else is in the logit being given.

    Exposures that share keys explain an outcome together: the system is solved over the batch. Of the covariance that
    results only the diagonal is kept. Returns the rows that were changed, each once.

    effect    by row [K, H], changed in place; a row whose variance is 0 keeps its effect
    variance  the same
    rows      of the keys of each exposure [n, F]
    chance    of each outcome by these effects and what else is given [n, H]
    """
    chosen, place = distinct(rows)
    count = len(rows)
    has_key = np.zeros((count, len(chosen)))
    has_key[np.arange(count)[:, None], place] = 1
    before = variance[chosen].T  # [H, K]
    error = np.where(outcomes.learned, outcomes.labels - chance, 0).T  # [H, n]
    slope = np.sqrt(np.where(outcomes.learned, chance * (1 - chance), 0)).T
    shared = (has_key * before[:, None]) @ has_key.T  # [H, n, n] variance that two exposures have in common
    inner = np.linalg.inv(np.eye(count) + slope[:, :, None] * shared * slope[:, None])
    surprise = slope * (inner @ np.divide(error, slope, out=np.zeros_like(error), where=slope > 0)[..., None])[..., 0]
    effect[chosen] += (before * (surprise @ has_key)).T
    told = told_of_keys(slope[:, :, None] * inner * slope[:, None], place, len(chosen))
    variance[chosen] = (before - before * before * told).T
    changed: Rows = chosen
    return changed


def distinct(rows: Rows) -> tuple[Rows, Rows]:
    """The rows that occur, sorted, and at which of them each stands [n, F]."""
    if switch.is_used():
        return calls.distinct(rows)
    chosen, place = np.unique(rows, return_inverse=True)
    return chosen, place.reshape(rows.shape)


def told_of_keys(among: Floats, place: Rows, keys: int) -> Floats:
    """Of each key the sum over all pairs of exposures that have it [H, K].

    among  of each pair of exposures [H, n, n]
    place  of the keys of each exposure, of so many [n, F]
    """
    if switch.is_used():
        return calls.told(among, place, keys)
    exposure, of_key = exposures_by_key(place, keys)
    size = np.bincount(of_key, minlength=keys)[of_key]  # of each exposure's key; those of one key stand together
    one = np.arange(len(of_key)).repeat(size)
    other = np.arange(len(one)) - (size.cumsum() - size)[one] + of_key.searchsorted(of_key)[one]
    pairs = among[:, exposure[one], exposure[other]]
    of_one = [np.bincount(one, of_head, len(of_key)) for of_head in pairs]  # one after another, unlike a product
    return np.stack([np.bincount(of_key, of_head, keys) for of_head in of_one])


def exposures_by_key(place: Rows, keys: int) -> tuple[Rows, Rows]:
    """Each key's exposures, each once, in their order; and the key of each of these."""
    has_key = np.zeros((keys, len(place)), np.bool_)
    has_key[place, np.arange(len(place))[:, None]] = True
    of_key, exposure = has_key.nonzero()
    return exposure, of_key


def learn_weights(weights: Floats, covariance: Floats, features: Floats, chance: Floats, outcomes: Outcomes) -> None:
    """An extended Kalman step on the weights of features (the Woodbury identity over the batch).

    weights     [H, D], changed in place
    covariance  [H, D, D], the same
    features    [n, H, D]
    chance      of each outcome by these weights [n, H]
    """
    error = np.where(outcomes.learned, outcomes.labels - chance, 0).T  # [H, n]
    curvature = np.where(outcomes.learned, chance * (1 - chance), 0).T
    found = features.transpose(1, 0, 2)  # [H, n, D]
    scaled = np.sqrt(curvature)[..., None] * found
    spread = scaled @ covariance  # [H, n, D]
    inner = np.eye(scaled.shape[1]) + spread @ scaled.transpose(0, 2, 1)
    covariance -= spread.transpose(0, 2, 1) @ np.linalg.solve(inner, spread)
    weights += (covariance @ (found.transpose(0, 2, 1) @ error[..., None]))[..., 0]
