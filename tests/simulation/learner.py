"""The learning agent as a model worker."""

from collections.abc import Iterator, Sequence

from ranker.learning.parameters import Parameters
from ranker.learning.publication import Publication, Subscription
from schemas.topics import DEAD_LETTERS, EXAMPLES, WEIGHTS
from streams.kafka.records import Record
from streams.kafka.sends import Stage
from streams.learning.step import LearnerState, LearnStep
from streams.learning.weights_topic import is_overtaken, sends, takeover
from streams.ranking.published_parameters import PublishedParameters
from tests.simulation.broker import Place
from tests.simulation.worker import SETTINGS, EndedError, Flaw, Worker, batches, posted


class LearnerWorker(Worker):
    """The learning agent: its step, with its state as OwnedLearner recovers it; it knows no facts of any video."""

    agent, writes = "learner", WEIGHTS.name

    def recover(self, owned: list[int]) -> Iterator[str]:
        """The parameters as they were published last; a worker that stands by has none."""
        self.states: dict[int, LearnerState] = {}
        self.name_of_writer = f"{self.name}, generation {self.group.generation}".encode()
        for partition in owned:
            published = PublishedParameters(Subscription(Parameters(), keep=True))
            while published.writer != self.name_of_writer:
                self.put(takeover(WEIGHTS.name, self.name_of_writer))
                yield from self.out.confirmed()
                read_to = self.broker.ends[WEIGHTS.name, 0]
                published = PublishedParameters(Subscription(Parameters(), keep=True))
                for some in batches([one for one in self.broker.read(WEIGHTS.name, 0) if one.offset < read_to], 50):
                    published.apply(some)
                    yield "recovering"
            self.out.next = {(WEIGHTS.name, partition): read_to}  # from there on it looks for what others write
            self.states[partition] = self._state(published.subscription)
            if published.covered:
                yield from self._publish_all(self.states[partition])
        self.step = LearnStep(SETTINGS, self.states, {})
        yield "recovered"

    def _state(self, found: Subscription) -> LearnerState:
        if found.current is None:
            parameters = Parameters()
            return LearnerState(parameters, Publication(parameters), writer=self.name_of_writer)
        learned = {} if self.flaw == Flaw.FORGETS_LEARNED else dict(found.current.learned)
        return LearnerState(found.parameters, found.publication(), learned, self.name_of_writer)

    def handle(self, poll: dict[int, list[Record]]) -> Iterator[str]:
        """Learn from a poll, and publish what came of it."""
        outcome = self.step.apply([((EXAMPLES.name, partition), records) for partition, records in poll.items()])
        self.out.put_by_key(DEAD_LETTERS.name, map(posted, outcome.dead_letters))
        yield "learned"
        for stage in self._flawed(outcome.stages):
            self.put(stage)
            yield from self.out.confirmed()
            yield from self._put_again(self.out.foreign())

    def _flawed(self, stages: Sequence[Stage]) -> Sequence[Stage]:
        return stages[::-1] if self.flaw == Flaw.MANIFEST_FIRST else stages

    def _take_over(self, owned: list[int]) -> Iterator[str]:
        """Nothing has to be written."""
        yield from ()

    def _put_again(self, places: list[Place]) -> Iterator[str]:
        """Publish everything again where another worker wrote; end where another one took over."""
        for place in places if self.flaw != Flaw.LEAVES_OVERWRITTEN else ():
            new = self.broker.read(*place, self.out.next[place])
            self.out.next[place] = self.broker.ends[place]
            for state in self.states.values():
                if is_overtaken(new, state.writer):
                    raise EndedError
                yield from self._publish_all(state)

    def _publish_all(self, state: LearnerState) -> Iterator[str]:
        state.publication.lack_all()
        for _ in state.publication.lacking:
            for stage in sends(WEIGHTS.name, state.publication.change(state.learned), state.writer):
                self.put(stage)
                yield from self.out.confirmed()
