"""Learning from a recorded log: the profiles step and the learner over its lines, as live but without a broker."""

from collections.abc import Iterable, Iterator

from ranker.catalogue.entry import VideoFacts, facts_of
from ranker.learning.learner import LearnedBatch, Learner
from ranker.learning.parameters import Parameters
from ranker.profile.example import Example
from ranker.profile.model import EMPTY, Profile
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from schemas.topics import UPLOADS
from streams.kafka.records import Record
from streams.logs.jsonl import Fault, Line
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep


class LogExamples:
    """The profiles step over the feedback and the erasures of a log: what each line says of exposures."""

    def __init__(self, settings: Settings) -> None:
        alone = settings.model_copy(update={"partitions": 1})
        self._prefix = settings.prefix
        self._state = empty_partition(0)
        self._profiles_step = ProfilesStep(alone, {0: self._state}, trends_limit=0, for_learning=True)
        self.events = 0

    def profile(self, user_id: str) -> Profile:
        """A person's profile by now."""
        return self._state.profiles.get(user_id) or EMPTY

    def take(self, line: Line) -> list[tuple[str, Example]]:
        """Apply a line that is no upload; gives its examples with their user ids."""
        topic = line.topic.full(self._prefix)
        record = Record(topic, 0, line.number, line.time_ms, line.key, line.value, line.headers)
        outcome = self._profiles_step.apply([((topic, 0), [record])], 1)
        self.events += len(outcome.applied)
        return outcome.examples


class LogLearner:
    """Learns from the lines of a log, in their order.

    parameters  to start with; changed in place
    facts       of the videos that were uploaded so far
    """

    def __init__(self, settings: Settings, parameters: Parameters) -> None:
        self._examples = LogExamples(settings)
        self.facts: dict[str, VideoFacts] = {}
        self._learner = Learner(parameters, self.facts)

    @property
    def events(self) -> int:
        """How many events changed a profile."""
        return self._examples.events

    def profile(self, user_id: str) -> Profile:
        """A person's profile, in which the next second's first event may be taken in already."""
        return self._examples.profile(user_id)

    def batches(self, lines: Iterable[Line | Fault]) -> Iterator[LearnedBatch]:
        """Each batch of exposures between its prediction and its learning; what cannot be used is passed over."""
        for line in lines:
            if isinstance(line, Fault):
                continue
            if line.topic is UPLOADS:
                if isinstance(line.message, Upload):
                    self.facts[line.message.video_id] = facts_of(line.message)
                continue
            for user_id, example in self._examples.take(line):
                yield from self._learner.take(user_id, example)
        yield from self._learner.close()
