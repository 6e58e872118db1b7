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

    def __init__(
        self,
        app: Any,
        settings: Settings,
        source: str,
        changelog: str,
        unpack: Callable[[bytes], V],
        version_of: Callable[[V], int],
    ) -> None:
        self.changelog = changelog
        self._version_of = version_of
        self._source = source
        self._settings = settings
        self._unpack = unpack
        self._values: dict[int, dict[str, V]] = {}
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        app.on_rebalance_complete.connect(self._on_assigned, weak=False)

    def __getitem__(self, partition: int) -> dict[str, V]:
        """Values of one owned partition by key."""
        return self._values[partition]

    def of(self, partition: int) -> dict[str, V]:
        """Values of a partition that may belong to another worker: then empty, and forgotten at once."""
        return self._values.get(partition, {})

    async def _on_revoked(self, app: Any, revoked: set[Any], **_: Any) -> None:
        for tp in revoked:
            if tp.topic == self._source:
                self._values.pop(tp.partition, None)

    async def _on_assigned(self, app: Any, **_: Any) -> None:
        # A recovery that a rebalance overtakes still ends, so nothing that is there is taken for granted.
        await self.recover({tp.partition for tp in app.consumer.assignment() if tp.topic == self._source})

    async def recover(self, partitions: set[int]) -> None:
        """Read the newest value of every key of these partitions."""
        started = time.monotonic()
        values: dict[int, dict[str, V]] = {p: {} for p in partitions}
        async for batch in read_to_end(self._settings, self.changelog, sorted(partitions)):
            self._take(values, batch)
        self._values = values
        count = sum(map(len, values.values()))
        log.info(
            "%s: %d keys of %d partitions recovered in %.1f s",
            self.changelog,
            count,
            len(values),
            time.monotonic() - started,
        )

    def _take(self, values: dict[int, dict[str, V]], batch: list[Any]) -> None:
        """Keep of every key the highest version: a worker that was stopped and woke up may write an older one late."""
        for record in batch:
            key = text_of(record.key)
            mine = values[record.partition]
            if record.value is None:
                mine.pop(key, None)
                continue
            try:
                value = self._unpack(record.value)
            except ValueError as error:  # what comes after it counts; before it, the value before
                log.error("%s[%d]@%d is damaged: %s", record.topic, record.partition, record.offset, error)
                continue
            if key not in mine or self._version_of(value) >= self._version_of(mine[key]):
                mine[key] = value


def text_of(key: bytes | None) -> str:
    """A record's key as text; a foreign key that is none stays recognisable instead of stopping the reader."""
    return (key or b"").decode("utf-8", "backslashreplace")
