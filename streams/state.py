"""Owned state: `{partition: {key: value}}`, kept in a compacted topic and read back when a partition is assigned.

Faust's tables record one change at a time and recover 10,000 records a second; here the agent sends its changes in
whole batches (streams/outbox.py) and recovery reads them in whole batches, before Faust resumes the flow.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from schemas.settings import Settings
from streams.kafka import read_to_end

log = logging.getLogger("freshet.state")

V = TypeVar("V")


class OwnedState(Generic[V]):
    """State of the partitions that this worker owns, changed by nobody else."""

    def __init__(self, app: Any, settings: Settings, source: str, changelog: str, unpack: Callable[[bytes], V]) -> None:
        self.changelog = changelog
        self._source = source
        self._settings = settings
        self._unpack = unpack
        self._values: dict[int, dict[str, V]] = {}
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        app.on_rebalance_complete.connect(self._on_assigned, weak=False)

    def __getitem__(self, partition: int) -> dict[str, V]:
        """Values of one owned partition by key."""
        return self._values[partition]

    async def _on_revoked(self, app: Any, revoked: set[Any], **_: Any) -> None:
        for tp in revoked:
            if tp.topic == self._source:
                self._values.pop(tp.partition, None)

    async def _on_assigned(self, app: Any, **_: Any) -> None:
        owned = {tp.partition for tp in app.consumer.assignment() if tp.topic == self._source}
        await self.recover(owned - self._values.keys())

    async def recover(self, partitions: set[int]) -> None:
        """Read the newest value of every key of these partitions."""
        started = time.monotonic()
        values: dict[int, dict[str, V]] = {p: {} for p in partitions}
        async for batch in read_to_end(self._settings, self.changelog, sorted(partitions)):
            self._take(values, batch)
        self._values.update(values)
        count = sum(map(len, values.values()))
        log.info(
            "%s: %d keys of %d partitions recovered in %.1f s",
            self.changelog,
            count,
            len(values),
            time.monotonic() - started,
        )

    def _take(self, values: dict[int, dict[str, V]], batch: list[Any]) -> None:
        newest = {record.key: record for record in batch}  # the last one of a key stands
        for record in newest.values():
            key = record.key.decode()
            if record.value is None:
                values[record.partition].pop(key, None)
            else:
                values[record.partition][key] = self._unpack(record.value)
