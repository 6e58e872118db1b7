"""The learning step: examples to parameters, and to what has to be sent of them.

It knows no Kafka and no clock. The agent calls it, and so does the crash simulation.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.entry import VideoFacts
from ranker.learning.gate import Gate
from ranker.learning.learner import LearnedBatch, Learner
from ranker.learning.model import Floats
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Publication
from ranker.profile.example import Example, Examples, decode_examples, joined
from ranker.profile.sound_example import check_sound
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.settings.model import Settings
from schemas.topics import EXAMPLES, WEIGHTS
from streams.dead_letters.validation import dead_letter
from streams.kafka.owned_state import Owned
from streams.kafka.records import Polled, Record
from streams.kafka.sends import Stage
from streams.learning.weights_topic import sends

log = logging.getLogger("freshet.learning")

NO_ROWS = np.zeros(0, np.int64)


@dataclass
class LearnerState:
    """All that the learner knows, as weights.v1 has it.

    learned  by partition of feedback the place of the newest event that was learned from
    writer   what its records name as the worker that wrote them
    """

    parameters: Parameters
    publication: Publication
    learned: dict[int, int] = field(default_factory=dict)
    writer: bytes = b""
    gate: Gate = field(init=False)
    day: int = 0  # of event time, in which what nobody meets was given up last

    def __post_init__(self) -> None:
        """What is there to begin with is good."""
        self.gate = Gate(self.parameters)


class Predicted(NamedTuple):
    """What was predicted of new exposures, and what came of them.

    logits  [n, H]
    labels  [n] as bits
    """

    logits: Floats
    labels: NDArray[np.int64]


@dataclass
class LearnOutcome:
    """What a poll came to: what could not be used, what is to be sent, and how many examples were taken.

    rejected  exposures of windows that ended and are given up, see gate.py
    predicted  of the new exposures, before they were learned
    """

    dead_letters: list[DeadLetter] = field(default_factory=list)
    stages: tuple[Stage, ...] = ()
    examples: int = 0
    repeats: int = 0
    rejected: int = 0
    predicted: list[Predicted] = field(default_factory=list)


class LearnStep:
    """Learns from examples, each once.

    states     the learner's state, by the one partition of examples.v1; changed in place
    facts      of the videos that are known
    withdrawn  ids of videos that were withdrawn since it was asked last
    """

    def __init__(
        self,
        settings: Settings,
        states: Owned[LearnerState],
        facts: Mapping[str, VideoFacts],
        withdrawn: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._states, self._facts, self._withdrawn = states, facts, withdrawn
        self._examples, self._weights = EXAMPLES.full(settings.prefix), WEIGHTS.full(settings.prefix)

    def apply(self, poll: Polled) -> LearnOutcome:
        """Learn from a poll: what lies before an event that was learned from is a repeat of its partition."""
        outcome = LearnOutcome()
        for (topic, partition), records in poll:
            if topic == self._examples:
                self._learn(self._states[partition], records, outcome)
        return outcome

    def _learn(self, state: LearnerState, records: Sequence[Record], outcome: LearnOutcome) -> None:
        learner = Learner(state.parameters, self._facts)
        for record in records:
            for key, example in self._new(state, record, outcome):
                _touch(state, learner.take(key, example), outcome)
            self._judge(state, outcome)
        _touch(state, learner.close(), outcome)
        self._judge(state, outcome)
        if outcome.examples:
            outcome.stages = sends(self._weights, state.publication.change(state.learned), state.writer)

    def _judge(self, state: LearnerState, outcome: LearnOutcome) -> None:
        if rejected := state.gate.judge():
            log.warning("%d exposures are not learned from: %s", rejected.exposures, rejected.why)
            state.publication.touch(rejected.rows)
            outcome.rejected += rejected.exposures
        if state.gate.is_between:
            self._forget(state)

    def _forget(self, state: LearnerState) -> None:
        """Give up what was learned of withdrawn videos, and once a day of event time the keys that nobody meets."""
        parameters = state.parameters
        gone = [parameters.of_video(video_id) for video_id in self._withdrawn()]
        if parameters.days and parameters.days[-1] != state.day:
            state.day = parameters.days[-1]
            gone.append(parameters.unmet())
        rows = np.unique(np.concatenate([NO_ROWS, *gone]))
        parameters.forget(rows)
        state.publication.touch(rows)

    def _new(self, state: LearnerState, record: Record, outcome: LearnOutcome) -> Iterable[tuple[str, Example]]:
        """The examples of a record that were not learned from, each under a key of its own."""
        try:
            found = decode_examples(record.value or b"")
            check_sound(found)
        except (ValueError, RecursionError) as error:
            outcome.dead_letters.append(dead_letter(record, Reason.INTERNAL, str(error)))
            return []
        new = _after(found, state.learned.get(found.partition, -1))
        outcome.examples += len(new)
        outcome.repeats += len(found.examples) - len(new)
        if new:
            state.learned[found.partition] = max(one.place for one in new)
        return [(f"{found.partition}/{one.place}", one) for one in joined(new)]


def _after(found: Examples, place: int) -> Sequence[Example]:
    return [one for one in found.examples if one.place > place]


def _touch(state: LearnerState, batches: Iterable[LearnedBatch], outcome: LearnOutcome) -> None:
    for batch in batches:
        outcome.predicted.append(_predicted(batch))
        state.gate.note(batch)
        state.publication.touch(batch.predicted.rows)


def _predicted(batch: LearnedBatch) -> Predicted:
    """The small part of a batch that says how good its predictions were: the batch itself need not be kept."""
    is_new = batch.outcomes.counted
    labels = np.fromiter((one.labels for one in batch.opened), np.int64, len(batch.opened))
    return Predicted(batch.predicted.logits[is_new], labels[is_new])
