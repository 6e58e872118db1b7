"""An agent's output: handed over in whole batches, and confirmed by delivery reports before the agent commits."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaError

from streams.kafka.client import ANSWER_TIMEOUT_S, KafkaException, is_transient, retry_until_answered
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.records import Headers, Message, partition_of
from streams.kafka.waits import Waits

if TYPE_CHECKING:  # what is no agent reads records too, without Faust, whose import takes 0.3 s
    from streams.kafka.app import BatchApp

log = logging.getLogger("freshet.producer")

RETRY_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # the last one repeats until the broker takes everything
QUEUE_FULL_WAIT_S = 0.005  # for room in the client's queue
FOREIGN_WRITE_CHECK_INTERVAL_S = 60.0  # of partitions where nothing is sent; compaction leaves ten minutes

BATCH_HEAD_BYTES = 128  # of a batch and of a record, at most
FIELD_BYTES = 10  # the lengths of a header's name and value, at most

Gap = tuple[str, int, int, int]  # topic, partition, first and next offset
OnForeignWrite = Callable[[int, int, int], Awaitable[None]]  # partition, first and next offset: others' may be among


class Outgoing(NamedTuple):
    """One record to be sent; a value of None is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def size(self) -> int:
        """Bytes of it as a batch of its own, or somewhat more: what a broker's limit is compared with."""
        named = sum(len(name.encode()) + len(value or b"") + FIELD_BYTES for name, value in self.headers)
        return BATCH_HEAD_BYTES + len(self.key or b"") + len(self.value or b"") + named


class Batch:
    """Records of one partition, sent together: those before the first refusal are acked, the rest is sent again."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.left: list[Outgoing] = []
        self.acked = 0
        self.last_offset = -1  # of the last acked record
        self.error: KafkaError | None = None

    def on_delivery(self, error: KafkaError | None, message: Message | None) -> None:
        """Take the delivery report of the next record: the client keeps their order."""
        if error is None and self.error is None and message is not None:
            self.acked += 1
            self.last_offset = message.offset()
        elif self.error is None:
            self.error = error


class ConfirmedProducer:
    """Collects records and hands them over together; `confirmed()` returns when the broker has acked all of them."""

    def __init__(self, app: "BatchApp") -> None:
        self._app = app
        self._waiting: dict[tuple[str, int], Batch] = {}
        self._in_flight: list[Batch] = []  # handed over to the client, delivery reports not yet looked at
        self._partition_counts: dict[str, int] = {}
        self._next: dict[tuple[str, int], int] = {}  # the offset that our next record gets if nobody else writes
        self._on_foreign_write: dict[str, OnForeignWrite] = {}
        self._next_check_s = time.monotonic() + FOREIGN_WRITE_CHECK_INTERVAL_S
        app.transport.between_polls.append(self.check_foreign_writes)

    @property
    def waits(self) -> Waits:
        """What this worker waits for outside itself."""
        return self._app.transport.waits

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
        if topic not in self._partition_counts:
            found = (await self._ask_about(topic)).topics[topic]
            if found.error:
                raise KafkaException(found.error)
            self._partition_counts[topic] = len(found.partitions)
        return self._partition_counts[topic]

    async def exists(self, topic: str) -> bool:
        """Whether there is such a topic, asked from the broker each time."""
        return not (await self._ask_about(topic)).topics[topic].error

    async def _ask_about(self, topic: str) -> Any:  # ClusterMetadata, which is not typed
        """Ask whichever client the producer has by then: one that lost its broker is replaced meanwhile."""
        return await retry_until_answered(lambda: self._app.producer.client.list_topics(topic, ANSWER_TIMEOUT_S))

    def expect_single_writer(self, topic: str, ends: dict[int, int], on_foreign_write: OnForeignWrite) -> None:
        """From these offsets on only this worker should write; where others do, `on_foreign_write` is called."""
        self._on_foreign_write[topic] = on_foreign_write
        for place in [place for place in self._next if place[0] == topic]:
            del self._next[place]
        self._next.update({(topic, partition): end for partition, end in ends.items()})

    async def sent(self) -> None:
        """Hand all over; the next `sent()` or `confirmed()` waits for the delivery reports."""
        await self._hand_over_all(wait=False)

    async def confirmed(self) -> None:
        """Hand all over and wait for every delivery report; what the broker refuses is tried again, in order."""
        await self._hand_over_all(wait=True)

    async def _hand_over_all(self, wait: bool) -> None:
        gaps = await self._await_delivery()  # before anything newer is sent, or a refusal would turn the order round
        self._in_flight, self._waiting = list(self._waiting.values()), {}
        for batch in self._in_flight:
            await self._hand_over(batch)
        if wait or gaps:  # a repair of what others wrote has to be written after it
            gaps += await self._await_delivery()
        await self._report_foreign_writes(gaps)

    async def check_foreign_writes(self) -> None:
        """Once a minute compare the ends of all partitions with what we expect, also where nothing is sent.

        The consumer calls this between two polls: no agent has anything to send then, and no partition is revoked
        meanwhile.
        """
        if time.monotonic() < self._next_check_s:
            return
        self._next_check_s = time.monotonic() + FOREIGN_WRITE_CHECK_INTERVAL_S
        try:
            ends = await self._app.consumer.ends_of(self._next)
        except TimeoutError:
            return  # the broker is away, or this client has lost it: the next check is with another one
        gaps = [(*place, self._next[place], end) for place, end in ends.items() if end > self._next[place]]
        self._next.update(ends)
        await self._report_foreign_writes(gaps)

    async def _report_foreign_writes(self, gaps: Iterable[Gap]) -> None:
        for topic, *gap in gaps:
            await self._on_foreign_write[topic](*gap)

    async def _await_delivery(self) -> list[Gap]:
        """Wait until all that is in flight is acked; returns where records of others lie among ours."""
        gaps: list[Gap] = []
        attempts = 0
        with ExitStack() as waiting:
            while self._in_flight:
                await self._app.producer.flush()
                for batch in self._in_flight:
                    gaps += self._gap(batch)
                    del batch.left[: batch.acked]
                    batch.acked = 0
                self._in_flight = [batch for batch in self._in_flight if batch.left]
                if self._in_flight:
                    first, delay_s = self._in_flight[0], RETRY_DELAYS_S[min(attempts, len(RETRY_DELAYS_S) - 1)]
                    if attempts == 0 and first.error is not None and not is_transient(first.error):
                        waiting.enter_context(self.waits.waiting(f"{first.topic} to accept what it refuses"))
                    await self._delay_retry(first, delay_s)
                    attempts += 1
                for batch in self._in_flight:
                    await self._hand_over(batch)
        return gaps

    async def _hand_over(self, batch: Batch) -> None:
        client, on_delivery = self._app.producer.client, batch.on_delivery
        produce = client.produce
        batch.acked, batch.error = 0, None
        for key, value, headers in batch.left:
            while True:
                try:
                    if headers:
                        produce(batch.topic, value, key, batch.partition, on_delivery, headers=list(headers))
                    else:
                        produce(batch.topic, value, key, batch.partition, on_delivery)
                    break
                except BufferError:
                    client.poll(QUEUE_FULL_WAIT_S)
                    await asyncio.sleep(0)
                    if client is not self._app.producer.client:  # it was replaced, and gave back what it had taken
                        batch.on_delivery(KafkaError(KafkaError._PURGE_QUEUE), None)
                        return
                except KafkaException as error:  # the client itself refuses: too large, for one
                    batch.on_delivery(error.args[0], None)
                    return

    def _gap(self, batch: Batch) -> list[Gap]:
        """Where records of others lie among ours."""
        place = batch.topic, batch.partition
        if batch.acked == 0 or place not in self._next:
            return []
        start, self._next[place] = self._next[place], batch.last_offset + 1
        return [(*place, start, batch.last_offset + 1)] if batch.last_offset + 1 > start + batch.acked else []

    async def _delay_retry(self, batch: Batch, delay_s: float) -> None:
        if batch.error is None or batch.error.fatal():
            raise KafkaException(batch.error)
        if batch.error.code() == KafkaError._UNKNOWN_PARTITION:  # what the client cached of a broker coming back
            await self._ask_about(batch.topic)
        log.error(
            "%s[%d] refuses %d records; offsets are not committed, the next attempt is in %.1f s: %s",
            batch.topic,
            batch.partition,
            len(batch.left),
            delay_s,
            batch.error.str(),
            extra=OF_OUTAGE if is_transient(batch.error) else None,
        )
        with self._app.transport.waits.waiting(f"{batch.topic} to take records"):
            await asyncio.sleep(delay_s)

    def _batch(self, topic: str, partition: int) -> Batch:
        place = topic, partition
        if place not in self._waiting:
            self._waiting[place] = Batch(topic, partition)
        return self._waiting[place]
