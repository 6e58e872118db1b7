"""The ranking agent: a changed profile is the request for a fresh slate."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.post_filter import drop_unavailable
from ranker.pipeline.types import Query, Slate
from ranker.profile.codec import unpack
from ranker.profile.model import Profile
from schemas.messages import recommendations
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.settings.model import Settings
from schemas.topics import PROFILES, RECOMMENDATIONS
from streams.dead_letters.publisher import DeadLetterPublisher
from streams.dead_letters.validation import dead_letter
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.owned_state import text_of
from streams.kafka.poll import Poll, Raw
from streams.ranking.catalogue_replica import CatalogueReplica
from streams.ranking.progress import RankedOffsets, source_offset
from streams.ranking.slates import Times, recommendation

AT_ONCE = 64  # profiles that are ranked together; between two batches the event loop breathes


def declare(
    app: Any,
    settings: Settings,
    shared: CatalogueReplica,
    pipeline: Pipeline,
    models: Mapping[str, str],
    ranked_offsets: RankedOffsets,
    out: ConfirmedProducer,
) -> Any:
    """Declare the agent on a batch-wise Faust app."""
    profiles = app.topic(PROFILES.full(settings.prefix), schema=Raw())
    slates, dead = RECOMMENDATIONS.full(settings.prefix), DeadLetterPublisher(settings, out, "ranker")

    @app.agent(profiles, name="ranker")
    async def answer(polls: Any) -> None:
        """Rank each person once per poll, by their newest profile."""
        poll: Poll
        async for poll in polls:
            with app.transport.waits.waiting("the first video"):
                if not await poll.unless_stopped(shared.ready.wait()):
                    continue  # it comes again, to whoever gets the partition
            newest = [
                newest_per_person(r for r in records if not ranked_offsets.covers(r)) for _, records in poll.items()
            ]
            for some in batches(in_turns(newest), AT_ONCE):
                readable, letters = profiles_of(some)
                await dead.put(letters, read=len(some))
                answers = await _answers(readable)
                if app.should_stop:
                    break  # the rest of a long poll comes again
                for record, slate in answers:
                    out.put(slates, record.partition, [slate])
                await out.sent()  # the broker takes these in while the next are ranked
            else:
                await out.confirmed()
                poll.done()

    async def _answers(profiles: Sequence[tuple[Any, Profile | None]]) -> list[tuple[Any, Outgoing]]:
        asked = [query(record, profile, settings.seed) for record, profile in profiles if profile is not None]
        made = {slate.user_id: slate for slate in await pipeline.answer(asked)}
        await shared.wait_until_current(lambda: app.should_stop)  # what is withdrawn by now is taken out below
        ready = ((record, profile, made.get(text_of(record.key))) for record, profile in profiles)
        return [
            (r, going)
            for r, profile, slate in ready
            if (going := outgoing(r, profile, slate, shared, models)) is not None
        ]

    return answer


def outgoing(
    record: Any, profile: Profile | None, slate: Slate | None, shared: CatalogueReplica, models: Mapping[str, str]
) -> Outgoing | None:
    """What leaves for a profile's record: a slate without what was withdrawn or erased meanwhile, or a null."""
    if profile is None or profile.origin is None or slate is None:
        return Outgoing(record.key, None, [source_offset(record)])  # the person was erased
    shown = drop_unavailable(slate, shared.catalogue)
    if not shown.items or shared.erased.refuses(slate.user_id, profile.origin.at_ms):
        return None  # nothing may be shown to this person, or their erasure is on its way here
    now_ms = time.time() * 1000
    spent_ms = sum(slate.timings_ms.values())
    times = Times(int(now_ms), max(0.0, now_ms - record.timestamp - spent_ms))
    message = recommendation(shown, profile, models, times)
    return Outgoing(record.key, recommendations.encode(message), [source_offset(record)])


def profiles_of(records: Sequence[Any]) -> tuple[list[tuple[Any, Profile | None]], list[DeadLetter]]:
    """Each record with its profile, None for a person who was erased; damaged ones become dead letters."""
    readable: list[tuple[Any, Profile | None]] = []
    letters: list[DeadLetter] = []
    for record in records:
        try:
            profile = None if record.value is None else unpack(record.value)
            if profile is not None and profile.origin is None:
                raise ValueError("the profile has taken in no event")
            readable.append((record, profile))
        except ValueError as error:
            letters.append(dead_letter(record, Reason.INTERNAL, str(error)))
    return readable, letters


def newest_per_person(records: Iterable[Any]) -> list[Any]:
    """Each person's newest record, in changelog order: so the last answered offset says what is answered."""
    newest = {record.key: record for record in records}
    return sorted(newest.values(), key=lambda record: record.offset)


def in_turns(partitions: Sequence[Sequence[Any]]) -> list[Any]:
    """One record of each partition after the other, so that no partition waits for all of another.

    >>> in_turns([[1, 2, 3], [10]])
    [1, 10, 2, 3]
    """
    return [record for turn in zip_longest(*partitions) for record in turn if record is not None]


def batches(records: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut into runs of at most `size`."""
    return (records[start : start + size] for start in range(0, len(records), size))


def query(record: Any, profile: Profile, seed: int) -> Query:
    """The question that a changed profile asks."""
    return Query(text_of(record.key), profile.version, profile.newest_ms, profile, seed)
