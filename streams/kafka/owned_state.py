"""Owned state: `{partition: {key: value}}`, kept in a compacted topic and read back when a partition is assigned.

Faust's tables record one change at a time and recover 10,000 records a second; here the agent sends its changes in
whole batches (confirmed_producer.py) and recovery reads them in whole batches, before Faust resumes the flow.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from schemas.settings.model import Settings
from streams.kafka.client import RECORD_BYTES
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.reader import end_offsets, messages_to, read_between, read_to_end
from streams.kafka.rebalance import on_assigned, on_revoked
from streams.kafka.records import Message, Record

if TYPE_CHECKING:  # what is no agent reads records too, without Faust, whose import takes 0.3 s
    from faust.types import TP

    from streams.kafka.app import BatchApp

log = logging.getLogger("freshet.state")

PROGRESS_INTERVAL_S = 5.0

V = TypeVar("V")
Version = Any  # whatever orders the values of one state: an int, or a tuple


class OwnedState(Generic[V]):
    """State of the partitions that this worker owns, changed by nobody else.

    keep      makes of a record's value what is held in memory
    order_of  of two values of a key the one with the higher result is newer

    A worker that was suspended and resumed may write an older value late: of every key the newest value counts, and
    where an older one follows it in the log the newer is re-published, before compaction removes it.
    """

    def __init__(
        self,
        app: "BatchApp",
        settings: Settings,
        source: str,
        changelog: str,
        keep: Callable[[bytes], V],
        order_of: Callable[[V], Version],
        out: ConfirmedProducer,
    ) -> None:
        self.changelog = changelog
        self._keep = keep
        self._order_of = order_of
        self._source = source
        self._settings = settings
        self._out = out
        self._values: dict[int, dict[str, V]] = {}
        on_revoked(app, self._on_revoked)
        on_assigned(app, self._on_assigned)
        app.transport.on_made_again.append(self._on_made_again)

    def __getitem__(self, partition: int) -> dict[str, V]:
        """Values of one owned partition by key."""
        return self._values[partition]

    def of(self, partition: int) -> dict[str, V]:
        """Values of a partition that may belong to another worker: then an empty dict that nobody keeps."""
        return self._values.get(partition, {})

    async def _on_revoked(self, revoked: "set[TP]") -> None:
        for tp in revoked:
            if tp.topic == self._source:
                self._values.pop(tp.partition, None)

    async def _on_assigned(self, assigned: "set[TP]") -> None:
        # A recovery that a rebalance overtakes still ends, so nothing that is there is taken for granted.
        await self.recover({tp.partition for tp in assigned if tp.topic == self._source})

    async def _on_made_again(self, topics: Sequence[str]) -> bool:
        """The changelog was deleted and made again: what it held is here still, and is published again."""
        held = {p: [*self._outgoing(p)] for p in self._values} if self.changelog in topics else {}
        for partition, records in held.items():
            self._out.put(self.changelog, partition, records)
        await self._out.confirmed()
        return any(held.values())

    def _outgoing(self, partition: int) -> Iterable[Outgoing]:
        """All that is held of a partition, as records; nothing where only a part of each value is kept."""
        return ()

    async def recover(self, partitions: set[int]) -> None:
        """Read the newest value of every key of these partitions."""
        started = reported = time.monotonic()
        values: dict[int, dict[str, V]] = {p: {} for p in partitions}
        outdated: dict[int, set[str]] = {p: set() for p in partitions}
        ends = await end_offsets(self._settings, self.changelog, sorted(partitions))
        async for batch in messages_to(self._settings, self.changelog, ends):
            self._take(values, outdated, batch)
            if time.monotonic() - reported > PROGRESS_INTERVAL_S:
                reported = time.monotonic()
                log.info("%s: %d keys recovered so far", self.changelog, sum(map(len, values.values())))
        self._values = values
        self._out.expect_single_writer(self.changelog, ends, self._repair)
        for partition, keys in outdated.items():
            await self._republish(partition, keys)
        count, spent_s = sum(map(len, values.values())), time.monotonic() - started
        log.info("%s: %d keys of %d partitions recovered in %.1f s", self.changelog, count, len(values), spent_s)

    def _take(self, values: dict[int, dict[str, V]], outdated: dict[int, set[str]], batch: list[Message]) -> None:
        keep, order_of = self._keep, self._order_of
        for message in batch:
            mine, data = values[message.partition()], message.value()
            key = (message.key() or b"").decode("utf-8", "backslashreplace")  # as text_of, without a call a record
            if data is None:
                mine.pop(key, None)
                continue
            try:
                value, known = keep(data), mine.get(key)
            except (ValueError, RecursionError) as error:  # the value before it counts, until a sound one follows
                place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
                log.error("%s is damaged and skipped: %s", place, error)
                if key in mine:
                    outdated[message.partition()].add(key)
                continue
            if known is None:
                mine[key] = value
            elif (at := order_of(value)) > (held := order_of(known)) or (at == held and self._replaces(value, known)):
                mine[key] = value
                outdated[message.partition()].discard(key)
            else:
                outdated[message.partition()].add(key)

    def _replaces(self, value: V, known: V) -> bool:
        """Whether the later of two values of the same order counts."""
        return True

    def _whole(self, data: bytes) -> V:
        """What is kept of a record that is sound as a whole; a ValueError says why it is not."""
        return self._keep(data)

    async def _repair(self, partition: int, start: int, end: int) -> None:
        """Another worker wrote among our records: re-publish what is newer here."""
        log.warning("%s[%d]: another worker wrote between offsets %d and %d", self.changelog, partition, start, end)
        records = await read_between(self._settings, self.changelog, partition, start, end)
        await self._republish(partition, {text_of(record.key) for record in records})

    async def _republish(self, partition: int, keys: Iterable[str]) -> None:
        """Write the highest version of these keys after whatever else the log holds of them."""
        if not (wanted := {key.encode() for key in keys}):
            return
        found: list[Record] = []
        async for batch in read_to_end(self._settings, self.changelog, [partition]):
            found += [record for record in batch if record.key in wanted]
        newest = outdated_last(found, lambda data: self._order_of(self._whole(data)))
        log.warning(
            "%s[%d]: the last record of %d keys was outdated; their newest is re-published",
            self.changelog,
            partition,
            len(newest),
        )
        writable = [one for one in newest if one.size() <= RECORD_BYTES]
        if len(writable) < len(newest):  # no agent wrote those, and no agent can
            log.error("%s[%d]: %d are too large for it", self.changelog, partition, len(newest) - len(writable))
        self._out.put(self.changelog, partition, writable)
        await self._out.confirmed()


def outdated_last(records: Iterable[Record], order_of: Callable[[bytes], Version]) -> list[Outgoing]:
    """Of every key whose last record is not its highest version, or cannot be read: that highest, to be re-published.

    A tombstone ends all that was written before it.
    """
    highest: dict[bytes | None, tuple[Version, Outgoing]] = {}
    last: dict[bytes | None, Version] = {}
    unreadable: set[bytes | None] = set()  # keys whose last record cannot be read
    for record in records:
        if record.value is None:
            highest.pop(record.key, None)
            last.pop(record.key, None)
            unreadable.discard(record.key)
            continue
        try:
            version = order_of(record.value)
        except (ValueError, RecursionError):
            unreadable.add(record.key)
            continue
        unreadable.discard(record.key)
        last[record.key] = version
        if record.key not in highest or version >= highest[record.key][0]:
            highest[record.key] = version, Outgoing(record.key, record.value, record.headers)
    return [outgoing for key, (version, outgoing) in highest.items() if last[key] < version or key in unreadable]


def text_of(key: bytes | None) -> str:
    """A record's key as text; a foreign key that is not UTF-8 stays recognisable instead of stopping the reader."""
    return (key or b"").decode("utf-8", "backslashreplace")
