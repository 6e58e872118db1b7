"""The profiles agent: folds feedback into one profile per person, counts trends, and erases people."""

from typing import Any

from faust.types import AgentT, StreamT

from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK, PEOPLE
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.kafka.app import BatchApp
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw
from streams.kafka.sends import deliver
from streams.metrics.measures import Measures
from streams.metrics.polls import observe_poll
from streams.profiles.origins import OriginEnds
from streams.profiles.step import ProfilesStep


def declare(
    app: BatchApp, settings: Settings, step: ProfilesStep, out: ConfirmedProducer, measures: Measures
) -> AgentT[Any]:
    """Declare the agent on a batch-wise Faust app."""
    feedback, erasures, people = (topic.full(settings.prefix) for topic in (FEEDBACK, ERASURES, PEOPLE))
    both = app.topic(feedback, erasures, schema=Raw())
    dead = DeadLetterPublisher(settings, out, "profiles", measures)
    origins = OriginEnds(feedback, lambda places: app.consumer.ends_of(places))

    @app.agent(both, name="profiles")
    async def remember(polls: StreamT[Poll]) -> None:
        """Apply every poll to the profiles, and commit it once the broker has confirmed all that it causes."""
        async for poll in polls:
            observe_poll(measures, "profiles", poll)
            holding_people = [people] if erasures in poll.topics and await out.exists(people) else []
            topic, partitions = app.consumer.positions.topics.get(feedback), await out.partitions(feedback)
            with out.waits.waiting("the broker to name offsets"):
                ends = await origins.of(poll.items(), topic.id if topic else "", partitions)
            outcome = step.apply(poll.items(), partitions, holding_people, ends)
            await dead.put_unreadable(poll.unreadable)
            await dead.put(outcome.dead_letters, read=len(poll))
            await deliver(out, outcome.stages)
            poll.done()

    return remember
