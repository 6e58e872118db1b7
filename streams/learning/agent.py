"""The learning agent: learns from what people made of videos, about twice a second, and publishes what it learned."""

import asyncio
import time
from typing import Any

from faust.types import AgentT, StreamT

from schemas.agents import VIDEOS
from schemas.settings.model import Settings
from schemas.topics import EXAMPLES
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw
from streams.kafka.sends import deliver
from streams.learning.quality import ProgressiveQuality
from streams.learning.step import LearnStep
from streams.metrics.measures import Measures
from streams.metrics.polls import observe_poll
from streams.ranking.catalogue_replica import CatalogueReplica

RECORDS = 100  # of up to a thousand examples that are learned before other tasks run
TICK_S = 0.5  # between two polls: what comes meanwhile is learned, and published, together


def declare(
    app: BatchApp,
    settings: Settings,
    videos: CatalogueReplica,
    step: LearnStep,
    out: ConfirmedProducer,
    measures: Measures,
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app.

    videos  has read what is known of the videos
    """
    name = EXAMPLES.full(settings.prefix)
    examples = app.topic(name, schema=Raw())
    dead = DeadLetterPublisher(settings, out, "learner", measures)
    quality = ProgressiveQuality(measures)
    app.quality = quality.figures

    @app.agent(examples, name="learner")
    async def learn(polls: StreamT[Poll]) -> None:
        """Learn from every poll, and commit it once the broker has confirmed the parameters that come of it."""
        async for poll in polls:
            began_s = time.monotonic()
            with out.waits.waiting(VIDEOS):
                if not await poll.unless_stopped(videos.ready.wait()):
                    continue  # it is redelivered to whoever learns then
            observe_poll(measures, "learner", poll)
            await dead.put_unreadable(poll.unreadable)
            for records in poll.batches(RECORDS):
                outcome = step.apply([((name, 0), records)])
                await dead.put(outcome.dead_letters, read=len(records))
                await deliver(out, outcome.stages)
                quality.observe(outcome)
            poll.done()
            await asyncio.sleep(began_s + TICK_S - time.monotonic())

    return learn
