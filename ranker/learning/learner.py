"""The learner: examples to parameters, second by second of event time. Pure.

Examples of a second are put together to exposures, sorted, predicted, then learned from. What is said of an exposure
after its second corrects what was learned of it: a like is then learned as a like, with the person's counters of that
moment, and adds to the likes without adding an exposure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.learning.fields import Exposure, hour_of
from ranker.learning.model import BATCH, Outcomes, Prediction, Shown, drift, learn, predict
from ranker.learning.parameters import Parameters
from ranker.profile.example import Example
from ranker.profile.outcomes import HEADS

NO_FACTS = VideoFacts()


class Open(NamedTuple):
    """An exposure, or what is said of an earlier one, of the present second."""

    user_id: str
    example: Example  # the first
    labels: int


class LearnedBatch(NamedTuple):
    """Exposures, in the order in which they are learned, what was predicted of them before, and what came of them."""

    opened: Sequence[Open]
    shown: Sequence[Shown]
    predicted: Prediction
    outcomes: Outcomes


class Learner:
    """Learns from examples as they come.

    parameters  changed in place
    facts       of the videos; changed by the caller, who hears of uploads
    """

    def __init__(self, parameters: Parameters, facts: Mapping[str, VideoFacts]) -> None:
        self.parameters, self._facts = parameters, facts
        self._open: dict[tuple[str, str], Open] = {}  # by person and video
        self._tick = 0

    def take(self, user_id: str, example: Example) -> Iterator[LearnedBatch]:
        """Take in an example. Where it begins a new second, what lies before it is learned first: see `close`."""
        tick = example.at_ms // 1000
        if tick > self._tick:
            yield from self.close()
            self._tick = tick
        key = (user_id, example.video_id)
        known = self._open.get(key)
        if known is None or example.is_first:
            if known is not None:
                yield from self.close()  # met twice within one second
            self._open[key] = Open(user_id, example, example.labels)
        else:
            self._open[key] = known._replace(labels=known.labels | example.labels)

    def close(self) -> Iterator[LearnedBatch]:
        """Learn from all that is open, batch by batch; each is handed out between its prediction and its learning."""
        opened = sorted(self._open.values(), key=_order)
        self._open.clear()
        for start in range(0, len(opened), BATCH):
            yield from self._learn(opened[start : start + BATCH])

    def _learn(self, opened: Sequence[Open]) -> Iterator[LearnedBatch]:
        shown = [self._shown(one.example) for one in opened]
        drift(self.parameters, self._tick, len(opened))
        predicted = predict(self.parameters, shown, grow=True)
        outcomes = outcomes_of(opened)
        yield LearnedBatch(opened, shown, predicted, outcomes)
        learn(self.parameters, predicted, outcomes)

    def _shown(self, example: Example) -> Shown:
        facts = self._facts.get(example.video_id, NO_FACTS)
        exposure = Exposure(example.video_id, facts, example.surface, hour_of(example.at_ms))
        return Shown(exposure, example.counters, example.at_ms)


def outcomes_of(opened: Sequence[Open]) -> Outcomes:
    """What came of exposures, as the model learns it."""
    bits = np.array([one.labels for one in opened], np.int64)
    labels = (bits[:, None] >> np.arange(len(HEADS)) & 1).astype(np.float64)
    is_new = np.array([one.example.is_first for one in opened])
    return Outcomes(labels, is_new[:, None] | (labels > 0), is_new)


def labels_of(bits: int) -> list[int]:
    """Labels by head, from their bits.

    >>> labels_of(0b101)
    [1, 0, 1]
    """
    return [bits >> head & 1 for head in range(len(HEADS))]


def _order(one: Open) -> tuple[int, str, str, bool]:
    return one.example.at_ms, one.user_id, one.example.video_id, not one.example.is_first
