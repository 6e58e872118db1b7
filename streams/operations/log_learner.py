"""Learning from a recorded log: the profiles step and the learner over its lines, as live but without a broker."""

from collections.abc import Iterable, Iterator

from ranker.catalogue.entry import VideoFacts, facts_of
from ranker.learning.learner import LearnedBatch, Learner
from ranker.learning.parameters import Parameters
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from schemas.topics import UPLOADS
from streams.kafka.records import Record
from streams.logs.jsonl import Fault, Line
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep


class LogLearner:
    """Learns from the lines of a log, in their order.

    parameters  to start with; changed in place
    facts       of the videos that were uploaded so far
    """

    def __init__(self, settings: Settings, parameters: Parameters) -> None:
        alone = settings.model_copy(update={"partitions": 1})
        self._prefix = settings.prefix
        self._profiles_step = ProfilesStep(alone, {0: empty_partition(0)}, trends_limit=0, for_learning=True)
        self.facts: dict[str, VideoFacts] = {}
        self._learner = Learner(parameters, self.facts)
        self.events = 0

    def batches(self, lines: Iterable[Line | Fault]) -> Iterator[LearnedBatch]:
        """Each batch of exposures between its prediction and its learning; what cannot be used is passed over."""
        for line in lines:
            if isinstance(line, Fault):
                continue
            if line.topic is UPLOADS:
                if isinstance(line.message, Upload):
                    self.facts[line.message.video_id] = facts_of(line.message)
                continue
            yield from self._apply(line)
        yield from self._learner.close()

    def _apply(self, line: Line) -> Iterator[LearnedBatch]:
        topic = line.topic.full(self._prefix)
        record = Record(topic, 0, line.number, line.time_ms, line.key, line.value, line.headers)
        outcome = self._profiles_step.apply([((topic, 0), [record])], 1)
        self.events += len(outcome.applied)
        for user_id, example in outcome.examples:
            yield from self._learner.take(user_id, example)
