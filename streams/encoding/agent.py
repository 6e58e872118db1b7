"""The encoding agent: makes of each upload what the catalogue holds of it."""

from typing import Any

from faust.types import AgentT, StreamT

from schemas.settings.model import Settings
from schemas.topics import UPLOADS
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.encoding.background import make_room, publish_in_the_background
from streams.encoding.pending_media import PendingMedia
from streams.encoding.step import EmbedOutcome, EmbedStep
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw
from streams.kafka.sends import deliver
from streams.metrics.measures import Measures, one
from streams.metrics.polls import observe_poll

EMBED_BATCH_SIZE = 32  # uploads between two confirmed sends


def declare(
    app: BatchApp,
    settings: Settings,
    step: EmbedStep,
    media: PendingMedia,
    out: ConfirmedProducer,
    measures: Measures,
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app.

    media  what the step has begun to load
    """
    name = UPLOADS.full(settings.prefix)
    uploads = app.topic(name, schema=Raw())
    dead = DeadLetterPublisher(settings, out, "encoder", measures)
    measures.gauge("freshet_pending_media", one(lambda: len(media)))

    async def publish(outcome: EmbedOutcome, read: int) -> None:
        await dead.put(outcome.dead_letters, read=read)
        await deliver(out, [step.sends(outcome)])

    offsets = publish_in_the_background(app, step, media, publish, out)

    @app.agent(uploads, name="encoder")
    async def encode(polls: StreamT[Poll]) -> None:
        """Embed every upload, and pass every withdrawal on; those with media when these have been loaded."""
        async for poll in polls:
            observe_poll(measures, "encoder", poll)
            await dead.put_unreadable(poll.unreadable)
            for records in poll.batches(EMBED_BATCH_SIZE):
                await publish(await step.apply(records, await out.partitions(name)), len(records))
            if media.is_crowded:
                with out.waits.waiting("media"):
                    await make_room(step, media, publish, lambda: app.should_stop)
            offsets.done(poll, media.first_offsets())

    return encode
