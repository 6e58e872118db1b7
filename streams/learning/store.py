"""The learner's state, read back from weights.v1 when this worker becomes the one that learns."""

import logging
from collections.abc import Sequence
from uuid import uuid4

from faust.types import TP

from ranker.feeds.load import learned_of
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Publication, Subscription
from schemas.settings.model import Settings
from schemas.topics import EXAMPLES, WEIGHTS
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.reader import end_offsets, messages_to, read_between
from streams.kafka.rebalance import on_assigned, on_revoked
from streams.kafka.records import records_of
from streams.kafka.sends import deliver
from streams.learning.step import LearnerState
from streams.learning.weights_topic import is_overtaken, sends, takeover
from streams.ranking.published_parameters import PublishedParameters

log = logging.getLogger("freshet.learning")


class OvertakenError(RuntimeError):
    """This worker learns no more: another one does."""


class OwnedLearner:
    """The state of the learner where this worker owns it, by the one partition of examples.v1."""

    def __init__(self, app: BatchApp, settings: Settings, out: ConfirmedProducer) -> None:
        self._settings, self._out = settings, out
        self._examples, self._weights = EXAMPLES.full(settings.prefix), WEIGHTS.full(settings.prefix)
        self._states: dict[int, LearnerState] = {}
        on_assigned(app, self._on_assigned)
        on_revoked(app, self._on_revoked)
        app.transport.on_made_again.append(self._on_made_again)

    def __getitem__(self, partition: int) -> LearnerState:
        return self._states[partition]

    async def _on_revoked(self, revoked: set[TP]) -> None:
        if TP(self._examples, 0) in revoked:
            self._let_go()

    def _let_go(self) -> None:
        self._states = {}
        self._out.expect_single_writer(self._weights, {}, self._repair)

    async def _on_assigned(self, assigned: set[TP]) -> None:
        self._let_go()
        if TP(self._examples, 0) in assigned:
            self._states = {0: await self._recovered()}

    async def _recovered(self) -> LearnerState:
        """The state as it was published last; nothing published: what the settings say to begin with.

        From its takeover on nothing counts that another worker writes, so nothing is read behind it.
        """
        writer = uuid4().bytes
        while True:
            await deliver(self._out, [takeover(self._weights, writer)])
            ends = await end_offsets(self._settings, self._weights, [0])
            published = PublishedParameters(Subscription(Parameters(), keep=True))
            async for batch in messages_to(self._settings, self._weights, ends):
                published.apply(records_of(batch))
            if published.writer == writer:
                break  # else another one, which was frozen while it recovered, took over in between
        self._out.expect_single_writer(self._weights, ends, self._repair)
        state = self._state(published.subscription, writer)
        if published.covered:  # before compaction takes away what they cover
            log.warning("%s: %d keys are of a worker that wrote late", self._weights, len(published.covered))
            await self._publish_all(state)
        return state

    def _state(self, found: Subscription, writer: bytes) -> LearnerState:
        if found.current is None:
            parameters = learned_of(self._settings).parameters
            log.info("%s holds nothing: learning begins with %d keys", self._weights, len(parameters))
            return LearnerState(parameters, Publication(parameters), writer=writer)
        parameters, current = found.parameters, found.current
        if self._settings.parameters:
            log.warning("%s has parameters, so the file that the settings name is not used", self._weights)
        log.info("%s: %d keys recovered at manifest %d", self._weights, len(parameters), current.number)
        return LearnerState(parameters, found.publication(), dict(current.learned), writer)

    async def _on_made_again(self, topics: Sequence[str]) -> bool:
        states = [*self._states.values()] if self._weights in topics else []
        for state in states:
            await deliver(self._out, [takeover(self._weights, state.writer)])
            await self._publish_all(state)
        return bool(states)

    async def _repair(self, partition: int, start: int, end: int) -> None:
        """What a worker that was cut off wrote late is covered; where another one took over, this one is cut off."""
        records = await read_between(self._settings, self._weights, partition, start, end)
        for state in self._states.values():
            if is_overtaken(records, state.writer):
                raise OvertakenError(
                    f"{self._weights}: another worker has taken over since this one was frozen or cut off; "
                    "it ends, and stands by once it is started again"
                )
            log.warning("%s: another worker wrote between offsets %d and %d", self._weights, start, end)
            await self._publish_all(state)

    async def _publish_all(self, state: LearnerState) -> None:
        """Write both slots anew."""
        state.publication.lack_all()
        for _ in state.publication.lacking:
            change = state.publication.change(state.learned)
            await deliver(self._out, sends(self._weights, change, state.writer))
