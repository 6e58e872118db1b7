"""Trends of the owned partitions, restored from trends.v1 when a partition is assigned."""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from ranker.catalogue.popularity import TrendCounts
from schemas.messages.trends import Trends, decode_trends, encode
from schemas.settings.model import Settings
from schemas.topics import TRENDS
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.reader import read_to_end
from streams.kafka.rebalance import on_revoked
from streams.kafka.records import Record
from streams.profiles.step import TRENDS_LIMIT

if TYPE_CHECKING:  # what is no agent reads records too, without Faust, whose import takes 0.3 s
    from faust.types import TP

    from streams.kafka.app import BatchApp

log = logging.getLogger("freshet.trends")


class OwnedTrends(Mapping[int, TrendCounts]):
    """Counts of the profiles partitions that this worker owns."""

    def __init__(self, app: "BatchApp", settings: Settings, out: ConfirmedProducer) -> None:
        self._topic = TRENDS.full(settings.prefix)
        self._settings, self._out = settings, out
        self._counts: dict[int, TrendCounts] = {}
        self._ticks: dict[int, int] = {}
        on_revoked(app, self._on_revoked)

    def __getitem__(self, partition: int) -> TrendCounts:
        return self._counts[partition]

    def __iter__(self) -> Iterator[int]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    async def _on_revoked(self, revoked: "set[TP]") -> None:
        for tp in revoked:
            self._counts.pop(tp.partition, None)

    async def recover(self, owned: Collection[int]) -> None:
        """Read back the counts of these partitions; whoever recovers the profiles recovers these then."""
        counts, ticks = {partition: TrendCounts(partition) for partition in owned}, dict.fromkeys(owned, 0)
        async for batch in read_to_end(self._settings, self._topic, range(self._settings.partitions)):
            for record in batch:
                part = read_trends(record)
                if part is not None and part.partition in owned:
                    counts[part.partition].restore(part)
                    ticks[part.partition] = part.tick
        self._counts, self._ticks = counts, ticks

    async def publish(self, partition: int) -> None:
        """Write the counts of a partition as they are, with the ids of its topics."""
        record = self._counts[partition].record(self._ticks[partition], TRENDS_LIMIT)
        await self._out.put_by_key(self._topic, [Outgoing(str(partition).encode(), encode(record))])
        await self._out.confirmed()


def read_trends(record: Record) -> Trends | None:
    """Decode one record of trends.v1; a damaged one is left out and logged: only our profiles agent writes there."""
    try:
        return decode_trends(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s[%d]@%d is damaged and left out: %s", record.topic, record.partition, record.offset, error)
        return None
