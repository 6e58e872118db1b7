"""The indexer agent: keeps a Qdrant server up to date with features.v1, so that no other agent waits for it."""

from typing import Any

from faust.types import AgentT, StreamT

from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.indexing.patient_writer import PatientWriter
from streams.indexing.step import IndexStep
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw

INDEX_BATCH_SIZE = 256  # records that are decoded before other tasks run


def declare(
    app: BatchApp, settings: Settings, step: IndexStep, writer: PatientWriter, out: ConfirmedProducer
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app.

    writer  puts changes into the index, however long it is away
    """
    features = app.topic(FEATURES.full(settings.prefix), schema=Raw())
    dead = DeadLetterPublisher(settings, out, "indexer")

    @app.agent(features, name="indexer")
    async def index(polls: StreamT[Poll]) -> None:
        """Write every poll to the index, and commit it once the server has applied all of it."""
        async for poll in polls:
            await dead.put_unreadable(poll.unreadable)
            for records in poll.batches(INDEX_BATCH_SIZE):
                if not await poll.unless_stopped(writer.write(step.apply(records))):
                    break  # it is redelivered to whoever gets the partition
            else:
                poll.done()

    return index
