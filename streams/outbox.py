"""What an agent has to say, sent in whole batches per partition and confirmed before it acknowledges."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError

from streams.kafka import partition_of

log = logging.getLogger("freshet.outbox")

Headers = Sequence[tuple[str, bytes]]
PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between tries; the last one repeats until the broker answers


class Outgoing(NamedTuple):
    """One record on its way out; a value of None is a tombstone."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Outbox:
    """Collects records and sends each partition's as one batch; `confirmed()` returns when the broker has all."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._waiting: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        self._counts: dict[str, int] = {}

    def put(self, topic: str, partition: int, records: Iterable[Outgoing]) -> None:
        """Add records for one partition."""
        self._waiting[topic, partition].extend(records)

    async def put_by_key(self, topic: str, records: Iterable[Outgoing]) -> None:
        """Add records each to its key's partition (murmur2, as Java and kafka-python do)."""
        for record in records:
            partition = partition_of(record.key or b"", await self.partitions(topic))
            self._waiting[topic, partition].append(record)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        if topic not in self._counts:
            self._counts[topic] = len(await self._kafka().partitions_for(topic))
        return self._counts[topic]

    async def confirmed(self) -> None:
        """Send all and wait for the broker's word on each; passing trouble is retried with everything in hand."""
        waiting, self._waiting = self._waiting, defaultdict(list)
        sends = (self._send(topic, p, records) for (topic, p), records in waiting.items())
        outcomes = await asyncio.gather(*sends, return_exceptions=True)  # none may still run when this returns
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send(self, topic: str, partition: int, records: list[Outgoing]) -> None:
        tries = 0
        while records:
            try:
                records = await self._send_once(topic, partition, records)
            except KafkaError as error:
                if not getattr(error, "retriable", False):
                    raise
                pause = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
                log.warning("%s[%d]: %d records wait %.1f s: %s", topic, partition, len(records), pause, error)
                await asyncio.sleep(pause)
            tries += 1

    async def _send_once(self, topic: str, partition: int, records: list[Outgoing]) -> list[Outgoing]:
        """One batch of the first records that fit; returns the rest once the broker has it."""
        producer = self._kafka()
        batch = producer.create_batch()
        taken = 0
        for key, value, headers in records:
            if not batch.append(key=key, value=value, timestamp=None, headers=list(headers)):
                break
            taken += 1
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))
        return records[taken:]

    def _kafka(self) -> Any:
        return self._app.producer._ensure_producer()  # Faust's producer speaks only of single messages
