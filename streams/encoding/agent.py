"""The encoding agent: makes of each upload what the catalogue holds of it, and keeps a Qdrant server up to date."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from faust.types import TP, AgentT, StreamT

from schemas.settings.model import Settings
from schemas.topics import UPLOADS
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.encoding.index_sync import UpdateIndex
from streams.encoding.pending_media import PendingMedia
from streams.encoding.step import EmbedOutcome, EmbedStep
from streams.kafka.app import BatchApp
from streams.kafka.client import MAX_POLL_INTERVAL_S
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.open_offsets import OpenOffsets
from streams.kafka.poll import Poll, Raw
from streams.kafka.rebalance import on_revoked
from streams.kafka.sends import deliver

EMBED_BATCH_SIZE = 32  # uploads between two confirmed sends
MAX_CROWDED_S = MAX_POLL_INTERVAL_S / 4  # a poll waits so long for room; with the rest it stays under a third

Publish = Callable[[EmbedOutcome, int], Awaitable[None]]


def declare(
    app: BatchApp,
    settings: Settings,
    step: EmbedStep,
    media: PendingMedia,
    update_index: UpdateIndex | None,
    out: ConfirmedProducer,
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app.

    media         what the step has begun to load
    update_index  puts records into a server's index; None: ranking processes search features.v1 in memory
    """
    name = UPLOADS.full(settings.prefix)
    uploads = app.topic(name, schema=Raw())
    dead = DeadLetterPublisher(settings, out, "encoder")

    async def publish(outcome: EmbedOutcome, read: int) -> None:
        await dead.put(outcome.dead_letters, read=read)
        if update_index is not None and outcome.records:
            with out.waits.waiting("the index"):
                await update_index(outcome.records)
        await deliver(out, [step.sends(outcome)])

    offsets = _in_the_background(app, step, media, publish, out)

    @app.agent(uploads, name="encoder")
    async def encode(polls: StreamT[Poll]) -> None:
        """Embed every upload, and pass every withdrawal on; those with media when these have been loaded."""
        async for poll in polls:
            await dead.put_unreadable(poll.unreadable)
            for records in poll.batches(EMBED_BATCH_SIZE):
                await publish(await step.apply(records, await out.partitions(name)), len(records))
            if media.is_crowded:
                with out.waits.waiting("media"):
                    await make_room(step, media, publish, lambda: app.should_stop)
            offsets.done(poll, media.first_offsets())

    return encode


def _in_the_background(
    app: BatchApp, step: EmbedStep, media: PendingMedia, publish: Publish, out: ConfirmedProducer
) -> OpenOffsets:
    """Publish between two polls what has been loaded meanwhile, when no poll is in flight and nothing is revoked."""
    offsets = OpenOffsets()

    async def publish_loaded() -> None:
        outcome = await step.apply_loaded()
        if outcome.records:
            await publish(outcome, 0)
            offsets.settle(media.first_offsets())
        out.waits.background("media", len(media) > 0)

    async def drop(revoked: set[TP]) -> None:
        media.drop(revoked)
        offsets.drop(revoked)

    app.transport.between_polls.append(publish_loaded)
    on_revoked(app, drop)
    return offsets


async def make_room(
    step: EmbedStep,
    media: PendingMedia,
    publish: Publish,
    stopping: Callable[[], bool],
    limit_s: float = MAX_CROWDED_S,
) -> None:
    """Publish what is loaded until no more is pending than may be.

    After so long uploads are given up that have not begun to load: all where most of the others came to nothing,
    since their hosts hang; else what there is no room for, since this machine is slow.
    """
    clock = asyncio.get_running_loop().time
    end_s, made, failed = clock() + limit_s, 0, 0
    while media.is_crowded and not stopping():
        if clock() >= end_s:
            media.give_up_waiting(everything=2 * failed > made)
            end_s = inf
        await media.wait(min(1.0, max(0.0, end_s - clock())))
        outcome = await step.apply_loaded()
        await publish(outcome, 0)
        made, failed = made + len(outcome.records), failed + len(outcome.dead_letters)
