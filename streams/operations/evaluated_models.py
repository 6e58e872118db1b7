"""What an evaluation compares: models and simple baselines, each asked before a batch of exposures is learned from."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.evaluation.served import as_served
from ranker.learning.features import KEY_WORTH, PERSON_WORTH, Floats, overall_rates, person_numbers, smoothed
from ranker.learning.fields import FIELD_NAMES
from ranker.learning.learner import LearnedBatch, Open, outcomes_of
from ranker.learning.model import Shown, drift, learn, predict, rank_logits, sigmoid
from ranker.learning.parameters import Parameters
from ranker.learning.undated_history import History, WarmCounters, warm_counters, warm_videos, warmed
from ranker.learning.user_features import Key, UserFeatureModel
from streams.errors import OperatorError

OURS, SERVED = "freshet", "freshet, by what a slate knows"
VIDEO_RATE, PERSON_RATE = "video's rate so far", "person's rate so far"
WITH_USER_FEATURES, WITH_HISTORIES = "freshet with user features", "freshet with histories"
VIDEO = FIELD_NAMES.index("video")


class Asked(NamedTuple):
    """A batch of exposures, and what is known before it is learned from.

    held        the exposures, with their people's counters as before their first exposure of the test days
    parameters  of the standard run
    facts       of the videos that were uploaded so far
    """

    batch: LearnedBatch
    held: Sequence[Shown]
    parameters: Parameters
    facts: Mapping[str, VideoFacts]


class Said(NamedTuple):
    """What a model says of a batch of exposures.

    probability  of each outcome [n, H]
    held         what would sort the videos of a slate, with the held counters [n, H]: of ours the rank logit, which
                 leaves out what is the same for all of them
    """

    probability: Floats
    held: Floats

    def of(self, places: Sequence[int]) -> "Said":
        """What was said of some of them."""
        return Said(self.probability[places], self.held[places])


Model = Callable[[Asked], Said]


def together(parts: Sequence[Said]) -> Said:
    """What was said of all batches."""
    return Said(np.concatenate([one.probability for one in parts]), np.concatenate([one.held for one in parts]))


def ours(asked: Asked) -> Said:
    """The standard run's predictions."""
    return Said(asked.batch.predicted.probability, rank_logits(asked.parameters, asked.held))


def served(asked: Asked) -> Said:
    """The same parameters, of what a slate knows before an exposure: see `as_served`."""
    of_slates = predict(asked.parameters, as_served(asked.batch.shown)).probability
    return Said(of_slates, rank_logits(asked.parameters, as_served(asked.held)))


def frozen(parameters: Parameters) -> Model:
    """A model that learns nothing any more."""

    def ask(asked: Asked) -> Said:
        return Said(predict(parameters, asked.batch.shown).probability, rank_logits(parameters, asked.held))

    return ask


class Lagging:
    """The standard run's parameters as slates have them: as they were some time before; learns on with each batch.

    The counters of people are those of the moment, since a profile is folded before its slate is made.

    lag_s  seconds of event time; what was met within them before an exposure is not learned yet when it is predicted
    """

    def __init__(self, lag_s: int) -> None:
        self._lag_s, self.parameters = lag_s, Parameters()
        self._ahead: deque[tuple[int, LearnedBatch]] = deque()  # by tick, what is still to be learned

    def __call__(self, asked: Asked) -> Said:
        """Learn what is old enough by now, then predict a batch."""
        tick = asked.parameters.tick
        while self._ahead and self._ahead[0][0] + self._lag_s <= tick:
            self._learn(*self._ahead.popleft())
        self._ahead.append((tick, asked.batch))
        return frozen(self.parameters)(asked)

    def _learn(self, tick: int, batch: LearnedBatch) -> None:
        drift(self.parameters, tick, len(batch.shown))
        learn(self.parameters, predict(self.parameters, batch.shown, grow=True), outcomes_of(batch.opened))


def lagging(lags_s: Iterable[int]) -> dict[str, Model]:
    """A model for each lag, by name."""
    return {f"{OURS}, {lag_s:,} s behind": Lagging(lag_s) for lag_s in lags_s}


def video_rate(asked: Asked) -> Said:
    """Each outcome as often as the video had it so far."""
    counts = asked.parameters.counts[asked.batch.predicted.rows[:, VIDEO]]
    rates = smoothed(counts, overall_rates(asked.parameters.totals), KEY_WORTH)
    return Said(rates, rates)


def person_rate(asked: Asked) -> Said:
    """Each outcome as often as the person had it so far; held, that orders nothing."""
    people = person_numbers([(one.counters, one.exposure.surface, one.at_ms) for one in asked.batch.shown])
    rates = smoothed(people.counts, overall_rates(asked.parameters.totals), PERSON_WORTH)
    return Said(rates, np.zeros_like(rates))


class WithUserFeatures:
    """The standard run's predictions and what user features add; learns on with each batch.

    What they add is the same for all videos that somebody could meet at a moment, so held the order is the standard's.

    people  the keys of each person's features
    """

    def __init__(self, people: Mapping[str, Sequence[Key]]) -> None:
        self._people, self._model = people, UserFeatureModel()

    def __call__(self, asked: Asked) -> Said:
        """Predict a batch, then learn from it."""
        opened = asked.batch.opened
        keys = [self._people.get(one.user_id, ()) for one in opened]
        predicted = self._model.predict(asked.batch.predicted.logits, keys)
        self._model.learn(predicted, outcomes_of(opened))
        return Said(sigmoid(predicted.logits), rank_logits(asked.parameters, asked.held))


class WithHistories:
    """A run of its own whose counters begin with undated histories; learns on with each batch.

    histories  of people; those that end after the log's first exposure are left out, since they may hold some of it
    """

    def __init__(self, histories: Mapping[str, History]) -> None:
        self._histories, self._parameters = histories, Parameters()
        self._people: dict[str, WarmCounters] | None = None  # None: the log has not begun

    def __call__(self, asked: Asked) -> Said:
        """Predict a batch, then learn from it."""
        opened, shown = asked.batch.opened, asked.batch.shown
        if self._people is None:
            self._people = self._begin(opened[0].example.at_ms, asked.facts)
        drift(self._parameters, max(one.at_ms for one in shown) // 1000, len(shown))
        predicted = predict(self._parameters, warm(opened, shown, self._people), grow=True)
        held = rank_logits(self._parameters, warm(opened, asked.held, self._people))
        learn(self._parameters, predicted, outcomes_of(opened))
        return Said(predicted.probability, held)

    def _begin(self, at_ms: int, facts: Mapping[str, VideoFacts]) -> dict[str, WarmCounters]:
        usable = {user_id: one for user_id, one in self._histories.items() if one.until_ms < at_ms}
        if not usable:
            raise OperatorError("No history ends before the log begins.", "Give --warm the histories of this log.")
        warm_videos(self._parameters, usable.values(), facts)
        return {user_id: warm_counters(one) for user_id, one in usable.items()}


def warm(opened: Iterable[Open], shown: Iterable[Shown], people: Mapping[str, WarmCounters]) -> list[Shown]:
    """Exposures with the counters of their people as if their histories had been counted first."""
    return [
        seen._replace(counters=warmed(seen.counters, people[one.user_id])) if one.user_id in people else seen
        for one, seen in zip(opened, shown, strict=True)
    ]
