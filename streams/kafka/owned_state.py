"""Owned state: `{partition: {key: value}}`, kept in a compacted topic and read back when a partition is assigned.

Faust's tables record one change at a time and recover 10,000 records a second; here the agent sends its changes in
whole batches (confirmed_producer.py) and recovery reads them in whole batches, before Faust resumes the flow.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from faust.types import TP

from schemas.settings.model import Settings
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.reader import end_offsets, messages_to, read_between, read_to_end
from streams.kafka.rebalance import on_assigned, on_revoked

log = logging.getLogger("freshet.state")

SAY_EVERY_S = 5.0

V = TypeVar("V")


class OwnedState(Generic[V]):
    """State of the partitions that this worker owns, changed by nobody else.

    `keep` makes of a record's value what is held in memory, and of two the one with the higher `order_of` is newer. A
    worker that was stopped and woke up may write an older value late: of every key the newest counts, and where an
    older one stands behind it in the log the newer is put again, before compaction takes it for the last word.
    """

    def __init__(
        self,
        app: Any,
        settings: Settings,
        source: str,
        changelog: str,
        keep: Callable[[bytes], V],
        order_of: Callable[[V], Any],
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

    def __getitem__(self, partition: int) -> dict[str, V]:
        """Values of one owned partition by key."""
        return self._values[partition]

    def of(self, partition: int) -> dict[str, V]:
        """Values of a partition that may belong to another worker: then empty, and forgotten at once."""
        return self._values.get(partition, {})

    async def _on_revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            if tp.topic == self._source:
                self._values.pop(tp.partition, None)

    async def _on_assigned(self, assigned: set[TP]) -> None:
        # A recovery that a rebalance overtakes still ends, so nothing that is there is taken for granted.
        await self.recover({tp.partition for tp in assigned if tp.topic == self._source})

    async def recover(self, partitions: set[int]) -> None:
        """Read the newest value of every key of these partitions."""
        started = said = time.monotonic()
        values: dict[int, dict[str, V]] = {p: {} for p in partitions}
        outdated: dict[int, set[str]] = {p: set() for p in partitions}
        ends = await end_offsets(self._settings, self.changelog, sorted(partitions))
        async for batch in messages_to(self._settings, self.changelog, ends):
            self._take(values, outdated, batch)
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                log.info("%s: %d keys so far", self.changelog, sum(map(len, values.values())))
        self._values = values
        self._out.alone(self.changelog, ends, self._put_right)
        for partition, keys in outdated.items():
            await self._put_again(partition, keys)
        count, spent_s = sum(map(len, values.values())), time.monotonic() - started
        log.info("%s: %d keys of %d partitions recovered in %.1f s", self.changelog, count, len(values), spent_s)

    def _take(self, values: dict[int, dict[str, V]], outdated: dict[int, set[str]], batch: list[Any]) -> None:
        keep, order_of = self._keep, self._order_of
        for message in batch:
            mine, data = values[message.partition()], message.value()
            key = (message.key() or b"").decode("utf-8", "backslashreplace")  # as text_of, without a call a record
            if data is None:
                mine.pop(key, None)
                continue
            try:
                value, known = keep(data), mine.get(key)
            except (ValueError, RecursionError) as error:  # what comes after it counts; before it, the value before
                place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
                log.error("%s is damaged and passed over: %s", place, error)
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
        """Whether the later of two values of one order counts."""
        return True

    def _whole(self, data: bytes) -> V:
        """What is kept of a record that is sound throughout; a ValueError says why it is not."""
        return self._keep(data)

    async def _put_right(self, partition: int, start: int, end: int) -> None:
        """Somebody else wrote among our records: put again what is newer here."""
        log.warning("%s[%d]: another worker wrote between %d and %d", self.changelog, partition, start, end)
        records = await read_between(self._settings, self.changelog, partition, start, end)
        await self._put_again(partition, {text_of(record.key) for record in records})

    async def _put_again(self, partition: int, keys: Iterable[str]) -> None:
        """Put the highest version of these keys behind whatever else the log holds of them."""
        if not (wanted := {key.encode() for key in keys}):
            return
        found: list[Any] = []
        async for batch in read_to_end(self._settings, self.changelog, [partition]):
            found += [record for record in batch if record.key in wanted]
        again = outdated_last(found, lambda data: self._order_of(self._whole(data)))
        log.warning(
            "%s[%d]: %d keys stood older than they are and are put again", self.changelog, partition, len(again)
        )
        self._out.put(self.changelog, partition, again)
        await self._out.confirmed()


def outdated_last(records: Iterable[Any], order_of: Callable[[bytes], Any]) -> list[Outgoing]:
    """Of every key whose last record is not its highest version, or cannot be read: that highest one, to be sent again.

    A tombstone is the last word on what stands before it.
    """
    highest: dict[bytes, tuple[Any, Outgoing]] = {}
    last: dict[bytes, Any] = {}
    spoilt: set[bytes] = set()  # whose last record cannot be read
    for record in records:
        if record.value is None:
            highest.pop(record.key, None)
            last.pop(record.key, None)
            spoilt.discard(record.key)
            continue
        try:
            version = order_of(record.value)
        except (ValueError, RecursionError):
            spoilt.add(record.key)
            continue
        spoilt.discard(record.key)
        last[record.key] = version
        if record.key not in highest or version >= highest[record.key][0]:
            highest[record.key] = version, Outgoing(record.key, record.value, record.headers)
    return [going for key, (version, going) in highest.items() if last[key] < version or key in spoilt]


def text_of(key: bytes | None) -> str:
    """A record's key as text; a foreign key that is none stays recognisable instead of stopping the reader."""
    return (key or b"").decode("utf-8", "backslashreplace")
