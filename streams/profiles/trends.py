"""Trends of the owned partitions, restored from trends.v1 when a partition is assigned."""

import logging
from collections.abc import Iterator, Mapping

import msgspec
from faust.types import TP

from ranker.catalogue.popularity import TrendCounts
from schemas.messages.trends import Trends, decode_trends
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, TRENDS
from streams.kafka.app import BatchApp
from streams.kafka.reader import read_to_end
from streams.kafka.rebalance import on_assigned, on_revoked
from streams.kafka.records import Record

log = logging.getLogger("freshet.trends")


class OwnedTrends(Mapping[int, TrendCounts]):
    """Counts of the profiles partitions that this worker owns."""

    def __init__(self, app: BatchApp, settings: Settings) -> None:
        self._topic = TRENDS.full(settings.prefix)
        self._source = FEEDBACK.full(settings.prefix)
        self._settings = settings
        self._counts: dict[int, TrendCounts] = {}
        on_revoked(app, self._on_revoked)
        on_assigned(app, self._on_assigned)

    def __getitem__(self, partition: int) -> TrendCounts:
        return self._counts[partition]

    def __iter__(self) -> Iterator[int]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    async def _on_revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self._counts.pop(tp.partition, None)

    async def _on_assigned(self, assigned: set[TP]) -> None:
        owned = {tp.partition for tp in assigned if tp.topic == self._source}
        counts = {partition: TrendCounts(partition) for partition in owned}
        async for batch in read_to_end(self._settings, self._topic, range(self._settings.partitions)):
            for record in batch:
                part = read_trends(record)
                if part is not None and part.partition in owned:
                    counts[part.partition].restore(part)
        self._counts = counts


def read_trends(record: Record) -> Trends | None:
    """Decode one record of trends.v1; a damaged one is left out and logged: only our profiles agent writes there."""
    try:
        return decode_trends(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("%s[%d]@%d is damaged and left out: %s", record.topic, record.partition, record.offset, error)
        return None
