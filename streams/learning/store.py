"""The learner's state, read back from weights.v1 when this worker becomes the one that learns."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from faust.types import TP

from ranker.feeds.load import learned_of
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Publication, Subscription
from schemas.settings.model import Settings
from schemas.topics import EXAMPLES, WEIGHTS
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.reader import end_offsets, messages_to
from streams.kafka.rebalance import on_assigned, on_revoked
from streams.kafka.records import records_of
from streams.kafka.sends import deliver
from streams.learning.step import LearnerState
from streams.learning.weights_topic import sends
from streams.ranking.published_parameters import take_in

log = logging.getLogger("freshet.learning")


class OwnedLearner(Mapping[int, LearnerState]):
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

    def __iter__(self) -> Iterator[int]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    async def _on_revoked(self, revoked: set[TP]) -> None:
        if TP(self._examples, 0) in revoked:
            self._states = {}

    async def _on_assigned(self, assigned: set[TP]) -> None:
        self._states = {0: await self._recovered()} if TP(self._examples, 0) in assigned else {}

    async def _recovered(self) -> LearnerState:
        """The state as it was published last; nothing published: what the settings say to begin with."""
        ends = await end_offsets(self._settings, self._weights, [0])
        subscription = Subscription(Parameters(), keep=True)
        async for batch in messages_to(self._settings, self._weights, ends):
            take_in(subscription, records_of(batch))
        self._out.expect_single_writer(self._weights, ends, self._repair)
        if subscription.current is None:
            parameters = learned_of(self._settings).parameters
            log.info("%s holds nothing: learning begins with %d keys", self._weights, len(parameters))
            return LearnerState(parameters, Publication(parameters))
        parameters, current = subscription.parameters, subscription.current
        log.info("%s: %d keys recovered at manifest %d", self._weights, len(parameters), current.number)
        return LearnerState(parameters, subscription.publication(), dict(current.learned))

    async def _on_made_again(self, topics: Sequence[str]) -> None:
        if self._weights in topics:
            await self._publish_all()

    async def _repair(self, partition: int, start: int, end: int) -> None:
        log.warning(
            "%s: another worker wrote between offsets %d and %d; all is published again", self._weights, start, end
        )
        await self._publish_all()

    async def _publish_all(self) -> None:
        """Write both slots anew."""
        for state in self._states.values():
            state.publication.lack_all()
            for _ in state.publication.lacking:
                await deliver(self._out, sends(self._weights, state.publication.change(state.learned)))
