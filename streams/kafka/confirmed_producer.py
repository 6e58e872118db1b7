"""What an agent has to say, handed over in whole batches and confirmed before it acknowledges."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from streams.kafka.client import ASK_S, patiently
from streams.kafka.records import Headers, Message, partition_of
from streams.kafka.waits import Waits

log = logging.getLogger("freshet.outbox")

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between tries; the last one repeats until the broker takes everything
ROOM_S = 0.005  # wait for room in the client's queue
LOOK_EVERY_S = 60.0  # for strangers in partitions where nothing is sent; compaction leaves ten minutes

Gap = tuple[str, int, int, int]  # topic, partition, first and next offset
OnForeignWrite = Callable[
    [int, int, int], Awaitable[None]
]  # partition, first and next offset that somebody else may own


class Outgoing(NamedTuple):
    """One record on its way out; a value of None is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Batch:
    """Records of one partition on their way; the first refusal ends what is sure, and the rest goes out again."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.left: list[Outgoing] = []
        self.sure = 0
        self.last = -1  # offset of the last sure record
        self.error: KafkaError | None = None

    def heard(self, error: KafkaError | None, message: Message) -> None:
        """The broker's word on the next record: the client keeps their order."""
        if error is None and self.error is None:
            self.sure += 1
            self.last = message.offset()
        elif self.error is None:
            self.error = error


class ConfirmedProducer:
    """Collects records and hands them over together; `confirmed()` returns when the broker has all of them."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._waiting: dict[tuple[str, int], Batch] = {}
        self._on_the_way: list[Batch] = []  # handed over to the client, which has not said yet what became of it
        self._counts: dict[str, int] = {}
        self._next: dict[tuple[str, int], int] = {}  # the offset that our next record gets if nobody else writes
        self._on_foreign_write: dict[str, OnForeignWrite] = {}
        self._look_s = time.monotonic() + LOOK_EVERY_S
        app.transport.between_polls.append(self.look)

    @property
    def waits(self) -> Waits:
        """What this worker waits for outside itself."""
        return self._app.transport.waits  # type: ignore[no-any-return]

    def put(self, topic: str, partition: int, records: Iterable[Outgoing]) -> None:
        """Add records for one partition."""
        self._batch(topic, partition).left.extend(records)

    async def put_by_key(self, topic: str, records: Iterable[Outgoing]) -> None:
        """Add records each to its key's partition (murmur2, as Java and kafka-python do)."""
        for record in records:
            partition = partition_of(record.key or b"", await self.partitions(topic))
            self._batch(topic, partition).left.append(record)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        if topic not in self._counts:
            found = (await patiently(self._app.producer.client.list_topics, topic, ASK_S)).topics[topic]
            if found.error:
                raise KafkaException(found.error)
            self._counts[topic] = len(found.partitions)
        return self._counts[topic]

    async def exists(self, topic: str) -> bool:
        """Whether there is such a topic, asked from the broker each time."""
        return not (await patiently(self._app.producer.client.list_topics, topic, ASK_S)).topics[topic].error

    def alone(self, topic: str, ends: dict[int, int], on_foreign_write: OnForeignWrite) -> None:
        """From these offsets on only this worker should write; records of others are reported to `strangers`."""
        self._on_foreign_write[topic] = on_foreign_write
        for place in [place for place in self._next if place[0] == topic]:
            del self._next[place]
        self._next.update({(topic, partition): end for partition, end in ends.items()})

    async def sent(self) -> None:
        """Hand all over; the next `sent()` or `confirmed()` waits for the broker's word on it."""
        await self._hand_over_all(land=False)

    async def confirmed(self) -> None:
        """Hand all over and wait for the broker's word on each; what it does not take is tried again, in order."""
        await self._hand_over_all(land=True)

    async def _hand_over_all(self, land: bool) -> None:
        gaps = await self._await_delivery()  # before anything newer goes out, or a refusal would turn the order round
        self._on_the_way, self._waiting = list(self._waiting.values()), {}
        for batch in self._on_the_way:
            await self._hand_over(batch)
        if land or gaps:  # whoever puts right what others wrote needs the last word
            gaps += await self._await_delivery()
        for topic, *gap in gaps:
            await self._on_foreign_write[topic](*gap)

    async def look(self) -> None:
        """Once a minute look for records of others where nothing is sent.

        The driver asks between two polls: no agent has anything to say then, and no partition goes meanwhile.
        """
        if time.monotonic() < self._look_s:
            return
        self._look_s = time.monotonic() + LOOK_EVERY_S
        ends = {place: await self._app.consumer.end_of(*place) for place in self._next}
        gaps = [(*place, self._next[place], end) for place, end in ends.items() if end > self._next[place]]
        self._next.update(ends)
        for topic, *gap in gaps:
            await self._on_foreign_write[topic](*gap)

    async def _await_delivery(self) -> list[Gap]:
        """Wait for what is on its way; returns where records of others lie among ours."""
        gaps: list[Gap] = []
        tries = 0
        while self._on_the_way:
            await self._app.producer.flush()
            for batch in self._on_the_way:
                gaps += self._gap(batch)
                del batch.left[: batch.sure]
                batch.sure = 0
            self._on_the_way = [batch for batch in self._on_the_way if batch.left]
            if self._on_the_way:
                await self._wait(self._on_the_way[0], PAUSES_S[min(tries, len(PAUSES_S) - 1)])
                tries += 1
            for batch in self._on_the_way:
                await self._hand_over(batch)
        return gaps

    async def _hand_over(self, batch: Batch) -> None:
        produce, heard = self._app.producer.client.produce, batch.heard
        batch.sure, batch.error = 0, None
        for key, value, headers in batch.left:
            while True:
                try:
                    if headers:
                        produce(batch.topic, value, key, batch.partition, heard, headers=list(headers))
                    else:
                        produce(batch.topic, value, key, batch.partition, heard)
                    break
                except BufferError:
                    self._app.producer.client.poll(ROOM_S)
                    await asyncio.sleep(0)
                except KafkaException as error:  # the client itself refuses: too large, for one
                    batch.heard(error.args[0], None)
                    return

    def _gap(self, batch: Batch) -> list[Gap]:
        """Where records of others lie among ours."""
        place = batch.topic, batch.partition
        if batch.sure == 0 or place not in self._next:
            return []
        start, self._next[place] = self._next[place], batch.last + 1
        return [(*place, start, batch.last + 1)] if batch.last + 1 > start + batch.sure else []

    async def _wait(self, batch: Batch, pause_s: float) -> None:
        if batch.error is None or batch.error.fatal():
            raise KafkaException(batch.error)
        if batch.error.code() == KafkaError._UNKNOWN_PARTITION:  # what the client remembers of a broker coming back
            await patiently(self._app.producer.client.list_topics, batch.topic, ASK_S)
        what = f"{batch.topic}[{batch.partition}] does not take {len(batch.left)} records"
        log.error("%s, nothing is acknowledged; again in %.1f s: %s", what, pause_s, batch.error.str())
        with self._app.transport.waits.waiting(f"{batch.topic} to take records"):
            await asyncio.sleep(pause_s)

    def _batch(self, topic: str, partition: int) -> Batch:
        place = topic, partition
        if place not in self._waiting:
            self._waiting[place] = Batch(topic, partition)
        return self._waiting[place]
