"""The ranking agent: a changed profile is the request for a fresh slate."""

from typing import Any

from faust.types import AgentT, StreamT

from schemas.agents import FIRST_VIDEO
from schemas.settings.model import Settings
from schemas.topics import PROFILES
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw
from streams.kafka.sends import put
from streams.metrics.measures import Measures
from streams.metrics.polls import observe_poll
from streams.ranking.catalogue_replica import CatalogueReplica
from streams.ranking.diversity import SlateDiversity
from streams.ranking.measured import observe_slates
from streams.ranking.progress import RankedOffsets
from streams.ranking.step import RankStep


def declare(
    app: BatchApp,
    settings: Settings,
    replica: CatalogueReplica,
    ranked: RankedOffsets,
    step: RankStep,
    out: ConfirmedProducer,
    measures: Measures,
    diversity: SlateDiversity,
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app."""
    profiles = app.topic(PROFILES.full(settings.prefix), schema=Raw())
    dead = DeadLetterPublisher(settings, out, "ranker", measures)

    @app.agent(profiles, name="ranker")
    async def rank(polls: StreamT[Poll]) -> None:
        """Rank each person once per poll, by their newest profile."""
        async for poll in polls:
            if not replica.ready.is_set():
                with out.waits.waiting(FIRST_VIDEO):
                    if not await poll.unless_stopped(replica.ready.wait()):
                        continue  # it is redelivered to whoever gets the partition
            observe_poll(measures, "ranker", poll)
            await dead.put_unreadable(poll.unreadable)
            superseded = len(poll)
            for records in step.batches(poll.items(), ranked.covers):
                superseded -= len(records)
                outcome = await step.apply(records)
                await dead.put(outcome.dead_letters, read=len(records))
                if app.should_stop:
                    break  # the rest of a long poll is redelivered
                await put(out, step.sends(outcome.answers, ranked.topic_id))
                await out.sent()  # the broker takes these while the next are ranked
                observe_slates(measures, outcome.answers)
                diversity.observe(outcome.answers)
            else:
                await out.confirmed()
                measures.count("freshet_coalesced_profiles_total", superseded)
                poll.done()

    return rank
