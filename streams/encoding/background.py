"""Publishing what has been loaded meanwhile: between two polls, and within one where no more may be pending."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

from faust.types import TP

from streams.encoding.pending_media import PendingMedia
from streams.encoding.step import EmbedOutcome, EmbedStep
from streams.kafka.app import BatchApp
from streams.kafka.client import MAX_POLL_INTERVAL_S
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.open_offsets import OpenOffsets
from streams.kafka.rebalance import on_revoked

MAX_CROWDED_S = MAX_POLL_INTERVAL_S / 4  # a poll waits so long for room; with the rest it stays under a third

Publish = Callable[[EmbedOutcome, int], Awaitable[None]]  # what has to be sent, and how many records it is of


def publish_in_the_background(
    app: BatchApp, step: EmbedStep, media: PendingMedia, publish: Publish, out: ConfirmedProducer
) -> OpenOffsets:
    """Publish between two polls what has been loaded meanwhile, when no poll is in flight and nothing is revoked."""
    offsets = OpenOffsets()

    async def publish_loaded() -> None:
        outcome = await step.apply_loaded()
        if outcome.records:
            await publish(outcome, len(outcome.records))
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
        await publish(outcome, len(outcome.records))
        made, failed = made + len(outcome.records), failed + len(outcome.dead_letters)
