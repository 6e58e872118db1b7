"""The profiles agent: folds feedback into one profile per person, and counts what trends."""

from typing import Any

from ranker.profile.fold import fold_and_pack
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.dead_letters.validation import late_dead_letters, read_feedback
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.poll import Poll, Raw
from streams.profiles.erasure import erased_letters, forget
from streams.profiles.store import ProfileStore
from streams.profiles.trends import OwnedTrends


def declare(app: Any, settings: Settings, profiles: ProfileStore, trends: OwnedTrends, out: ConfirmedProducer) -> Any:
    """Declare the agent on a batch-wise Faust app."""
    feedback = FEEDBACK.full(settings.prefix)
    both = app.topic(feedback, ERASURES.full(settings.prefix), schema=Raw())
    dead = DeadLetterPublisher(settings, out, "profiles")

    @app.agent(both, name="profiles")
    async def remember(polls: Any) -> None:
        """Fold every feedback event into its person's profile."""
        poll: Poll
        async for poll in polls:
            await forget(poll, profiles, settings, out)
            for tp, records in poll.items():
                if tp.topic != feedback:
                    continue
                mine = profiles.rows(tp.partition)
                reading = read_feedback(records, await out.partitions(tp.topic))
                admitted = profiles.markers.split_by_erasure(tp.partition, mine, reading.arrivals)
                mine.begin(admitted.starts)
                folded = fold_and_pack(mine, admitted.kept, settings.late_ms)
                trends.take(tp.partition, folded)
                late, erased = late_dead_letters(records, folded.late), erased_letters(records, admitted.erased)
                await dead.put(reading.dead_letters + erased + late, read=len(records))
                out.put(profiles.changelog, tp.partition, mine.take(folded.changed))
                if folded.reached:
                    newest_ms = min(folded.newest_ms, records[-1].timestamp)
                    await out.put_by_key(trends.topic, trends.due(tp.partition, newest_ms))
                await out.put_by_key(tp.topic, reading.misrouted)
            await out.confirmed()
            poll.done()

    return remember
