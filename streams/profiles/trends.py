"""Trends of the owned partitions: restored from trends.v1 when a partition is assigned, published once a tick."""

import logging
from collections.abc import Iterator
from typing import Any

import msgspec

from ranker.catalogue.popularity import TrendCounts
from ranker.profile.fold import Packed
from schemas.messages import recommendations
from schemas.messages.trends import Trends, decode_trends
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, TRENDS
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.reader import read_to_end

log = logging.getLogger("freshet.trends")

LIMIT = 2000  # videos in one record; about 60 KB


class OwnedTrends:
    """Counts of the profiles partitions that this worker owns."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.topic = TRENDS.full(settings.prefix)
        self._source = FEEDBACK.full(settings.prefix)
        self._settings = settings
        self._counts: dict[int, TrendCounts] = {}
        self._ticks: dict[int, int] = {}
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        app.on_rebalance_complete.connect(self._on_assigned, weak=False)

    def take(self, partition: int, packed: Packed) -> None:
        """Count the people of a folded batch."""
        self._counts[partition].take_packed(packed)

    def due(self, partition: int, newest_ms: int) -> Iterator[Outgoing]:
        """The partition's record, if event time has reached a new tick since the last one."""
        tick = newest_ms // 1000
        if tick > self._ticks.get(partition, 0):
            self._ticks[partition] = tick
            yield Outgoing(str(partition).encode(), recommendations.encode(self._counts[partition].record(tick, LIMIT)))

    async def _on_revoked(self, app: Any, revoked: set[Any], **_: Any) -> None:
        for tp in revoked:
            self._counts.pop(tp.partition, None)

    async def _on_assigned(self, app: Any, **_: Any) -> None:
        owned = {tp.partition for tp in app.consumer.assignment() if tp.topic == self._source}
        counts = {partition: TrendCounts(partition) for partition in owned}
        async for batch in read_to_end(self._settings, self.topic, range(self._settings.partitions)):
            for record in batch:
                part = read_trends(record)
                if part is not None and part.partition in owned:
                    counts[part.partition].restore(part)
        self._counts, self._ticks = counts, {}


def read_trends(record: Any) -> Trends | None:
    """Decode one record of trends.v1; a damaged one is left out and said, for only our profiles agent writes there."""
    try:
        return decode_trends(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s[%d]@%d is damaged and left out: %s", record.topic, record.partition, record.offset, error)
        return None
