"""The indexer agent: keeps a Qdrant server up to date with features.v1, so that no other agent waits for it."""

from typing import Any

from faust.types import AgentT, StreamT

from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.indexing.keeper import IndexKeeper
from streams.indexing.step import IndexStep
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw
from streams.metrics.measures import Measures, Readings, one
from streams.metrics.polls import observe_poll

INDEX_BATCH_SIZE = 256  # records that are decoded before other tasks run


def declare(
    app: BatchApp,
    settings: Settings,
    step: IndexStep,
    keeper: IndexKeeper,
    out: ConfirmedProducer,
    measures: Measures,
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app.

    keeper  puts changes into the index, however long it is away
    """
    features = app.topic(FEATURES.full(settings.prefix), schema=Raw())
    dead = DeadLetterPublisher(settings, out, "indexer", measures)
    measures.gauge("freshet_index_up", one(lambda: keeper.is_up))
    measures.gauge("freshet_index_complete", lambda: _known(keeper.is_complete))

    async def store(poll: Poll) -> None:
        if not await keeper.begin():
            return
        for records in poll.batches(INDEX_BATCH_SIZE):
            if not await keeper.write(step.apply(records)):
                return
        await keeper.note(poll.next_offsets())

    @app.agent(features, name="indexer")
    async def index(polls: StreamT[Poll]) -> None:
        """Write every poll to the index, and commit it once the server has applied all of it."""
        async for poll in polls:
            observe_poll(measures, "indexer", poll)
            await dead.put_unreadable(poll.unreadable)
            if await poll.unless_stopped(store(poll)):  # else it is redelivered to whoever gets the partition
                poll.done({} if keeper.is_another else None)  # then all is read again

    return index


def _known(value: bool | None) -> Readings:
    """A gauge that says nothing while nothing is known: a worker that stands by has nothing to complete."""
    return [] if value is None else [((), float(value))]
