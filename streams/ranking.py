"""The ranking agent: a changed profile is the request for a fresh slate."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ranker.candidates import Query
from ranker.pipeline import Pipeline, may_show
from ranker.state import Profile, unpack
from schemas import outputs
from schemas.settings import Settings
from schemas.topics import PROFILES, RECOMMENDATIONS
from streams.answered import Answered, source_offset
from streams.outbox import Outbox, Outgoing
from streams.runtime import Poll, Raw
from streams.shared import SharedState
from streams.slates import Times, recommendation

AT_ONCE = 64  # profiles that are ranked together; between two batches the event loop breathes


def declare(
    app: Any,
    settings: Settings,
    shared: SharedState,
    pipeline: Pipeline,
    models: Mapping[str, str],
    answered: Answered,
    out: Outbox,
) -> Any:
    """Declare the agent on a batch-wise Faust app."""
    profiles = app.topic(PROFILES.full(settings.prefix), schema=Raw())
    slates = RECOMMENDATIONS.full(settings.prefix)

    @app.agent(profiles, name="ranker")
    async def answer(polls: Any) -> None:
        """Rank each person once per poll, by their newest profile."""
        poll: Poll
        async for poll in polls:
            await shared.ready.wait()
            newest = [newest_per_person(r for r in records if not answered.has(r)) for _, records in poll.items()]
            for some in batches(in_turns(newest), AT_ONCE):
                for record, slate in zip(some, await _answers(some), strict=True):
                    out.put(slates, record.partition, [slate])
                await out.confirmed()  # what is ready does not wait for the rest of a long poll
            poll.done()

    async def _answers(records: Sequence[Any]) -> list[Outgoing]:
        known = {record.key: unpack(record.value) for record in records if record.value is not None}
        queries = [query(record, known[record.key], settings.seed) for record in records if record.key in known]
        made = dict(zip(known, await pipeline.answer(queries), strict=True))
        return [_outgoing(record, made.get(record.key), known.get(record.key)) for record in records]

    def _outgoing(record: Any, slate: Any, profile: Profile | None) -> Outgoing:
        if profile is None:  # the person was erased
            return Outgoing(record.key, None, [source_offset(record)])
        now_ms = time.time() * 1000
        spent_ms = sum(slate.timings_ms.values())
        times = Times(int(now_ms), max(0.0, now_ms - record.timestamp - spent_ms))
        message = recommendation(may_show(slate, shared.catalogue), profile, models, times)
        return Outgoing(record.key, outputs.encode(message), [source_offset(record)])

    return answer


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
    return Query(record.key.decode(), profile.version, profile.newest_ms, profile, seed)
