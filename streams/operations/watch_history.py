"""Who watched what lately, from feedback.v1, as training data."""

import asyncio
import time
from collections.abc import Collection

from ranker.learning.fusion import Watched
from ranker.profile.erasure import RecentErasures
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK
from streams.dead_letters.validation import read_feedback
from streams.kafka.probe import Report, wait_for_authenticated_broker
from streams.kafka.reader import bounds, groupless, read_to_end, required_partitions
from streams.operations.train_fusion import to_watched
from streams.profiles.erasure import read_erasures

MAX_RECORDS = 2_000_000  # the newest of all partitions together
PROGRESS_INTERVAL_S = 5.0


def read_watched(settings: Settings, known: Collection[str], report: Report) -> list[Watched]:
    """Who watched which known video by the newest records of feedback.v1, without people who were erased since."""
    wait_for_authenticated_broker(settings, report)
    return asyncio.run(_watched(settings, known, report))


async def _watched(settings: Settings, known: Collection[str], report: Report) -> list[Watched]:
    erased, topic = await _erased(settings), FEEDBACK.full(settings.prefix)
    with groupless(settings) as consumer:
        ends = {p: await bounds(consumer, topic, p) for p in await required_partitions(settings, topic)}
    back = MAX_RECORDS // max(len(ends), 1)
    total = sum(min(end - start, back) for start, end in ends.values())
    read, reported = 0, time.monotonic()
    found: list[Watched] = []
    names: dict[str, str] = {}  # one string a person or video, not one an event
    async for records in read_to_end(settings, topic, ends, back):
        for arrival in read_feedback(records, len(ends)).arrivals:
            one = to_watched(arrival.event)
            if one and one.video_id in known and not erased.refuses(one.user_id, one.at_ms):
                user_id, video_id = (names.setdefault(name, name) for name in (one.user_id, one.video_id))
                found.append(Watched(user_id, video_id, one.at_ms))
        read += len(records)
        if time.monotonic() - reported > PROGRESS_INTERVAL_S:
            reported = time.monotonic()
            report(f"{read} of {total} records read")
    report(f"{read} records read, {len(found)} of them watches of videos that are embedded")
    return found


async def _erased(settings: Settings) -> RecentErasures:
    """Who was erased, as far as erasures.v1 still holds it; their events may stay in the log for some days."""
    erased, topic = RecentErasures(ERASURES.retention_ms or 0), ERASURES.full(settings.prefix)
    partitions = await required_partitions(settings, topic)
    async for records in read_to_end(settings, topic, partitions):
        for record in records:
            for erasure in read_erasures([record], len(partitions)).erasures:
                erased.add(erasure.user_id, erasure.at_ms, record.timestamp)
    return erased
