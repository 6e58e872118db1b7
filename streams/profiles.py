"""The profiles agent: folds feedback into one profile per person, and counts what trends."""

from typing import Any

from ranker.profile import Profile, fold_all, pack
from schemas.settings import Settings
from schemas.topics import FEEDBACK
from streams.guard import late_letters, read_feedback
from streams.letters import put_letters
from streams.outbox import Outbox, Outgoing
from streams.runtime import Poll, Raw
from streams.state import OwnedState
from streams.trends import OwnedTrends


def declare(app: Any, settings: Settings, profiles: OwnedState[Profile], trends: OwnedTrends, out: Outbox) -> Any:
    """Declare the agent on a batch-wise Faust app."""
    feedback = app.topic(FEEDBACK.full(settings.prefix), schema=Raw())

    @app.agent(feedback, name="profiles")
    async def remember(polls: Any) -> None:
        """Fold every feedback event into its person's profile."""
        poll: Poll
        async for poll in polls:
            for tp, records in poll.items():
                mine = profiles[tp.partition]
                reading = read_feedback(records, await out.partitions(tp.topic))
                folded = fold_all(mine, reading.arrivals, settings.late_ms)
                mine.update(folded.changed)
                trends.take(tp.partition, folded.accepted)
                changed = [Outgoing(user.encode(), pack(profile)) for user, profile in folded.changed.items()]
                out.put(profiles.changelog, tp.partition, changed)
                if folded.accepted:
                    newest_ms = min(max(one.arrival.event.at_ms for one in folded.accepted), records[-1].timestamp)
                    await out.put_by_key(trends.topic, trends.due(tp.partition, newest_ms))
                await out.put_by_key(tp.topic, reading.astray)
                await put_letters(out, settings, reading.letters + late_letters(records, folded.late))
            await out.confirmed()
            poll.done()

    return remember
