"""Who watched what lately, from feedback.v1, for whoever learns from the log."""

import asyncio
import time
from collections.abc import Callable, Collection

from ranker.profile.erasure import RecentErasures
from ranker.training.fusion import Watched
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK
from streams.dead_letters.validation import read_feedback
from streams.kafka.reader import bounds, groupless, partitions_of, read_to_end
from streams.kafka.security import wait_for_authenticated_broker
from streams.operations.train_fusion import watch_of
from streams.profiles.erasure import read_erasures

MOST = 2_000_000  # newest records of all partitions together that are read
SAY_EVERY_S = 5.0


def read_watched(settings: Settings, known: Collection[str], report: Callable[[str], None]) -> list[Watched]:
    """What the newest records of feedback.v1 say for known videos, without people who were erased since."""
    wait_for_authenticated_broker(settings, report)
    return asyncio.run(_watched(settings, known, report))


async def _watched(settings: Settings, known: Collection[str], report: Callable[[str], None]) -> list[Watched]:
    erased, topic = await _erased(settings), FEEDBACK.full(settings.prefix)
    with groupless(settings) as consumer:
        ends = {p: await bounds(consumer, topic, p) for p in await partitions_of(consumer, topic)}
    back = MOST // max(len(ends), 1)
    total, read, said = sum(min(end - start, back) for start, end in ends.values()), 0, time.monotonic()
    found: list[Watched] = []
    names: dict[str, str] = {}  # one string a person or video, not one an event
    async for records in read_to_end(settings, topic, ends, back):
        for arrival in read_feedback(records, len(ends)).arrivals:
            one = watch_of(arrival.event)
            if one and one.video_id in known and not erased.refuses(one.user_id, one.at_ms):
                user_id, video_id = (names.setdefault(name, name) for name in (one.user_id, one.video_id))
                found.append(Watched(user_id, video_id, one.at_ms))
        read += len(records)
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            report(f"{read} of {total} records read")
    report(f"{read} records read, {len(found)} of them watches of videos that are described")
    return found


async def _erased(settings: Settings) -> RecentErasures:
    """Who was erased, as far as erasures.v1 still says so; their events may lie in the log for some days."""
    erased, topic = RecentErasures(ERASURES.retention_ms or 0), ERASURES.full(settings.prefix)
    with groupless(settings) as consumer:
        partitions = await partitions_of(consumer, topic)
    async for records in read_to_end(settings, topic, partitions):
        for record in records:
            for erasure in read_erasures([record], len(partitions)).erasures:
                erased.add(erasure.user_id, erasure.at_ms, record.timestamp)
    return erased
