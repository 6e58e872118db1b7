"""A peer: a plain loop over aiokafka, without Faust, recovery or dead letters.

Each person's newest state goes out once a fetch, and a fetch is committed only after the broker has confirmed all
that it caused: as Freshet does, and with the same client options.
"""

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.bench.bare_confluent import GATHER_S, GROUP, POLL_RECORDS, changed_by
from tests.bench.work import WORKS, Work

FETCH_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 1024 * 1024


async def follow(bootstrap: str, source: str, changelog: str, work: Work) -> None:
    """Fetch, fold, send, commit, until the process is ended."""
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        group_id=GROUP + source,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=FETCH_BYTES,
    )
    async with consumer, producer:
        await _loop(consumer, producer, changelog, work)


async def _loop(consumer: Any, producer: Any, changelog: str, work: Work) -> None:
    states: dict[bytes, Any] = {}
    while True:
        polled = await consumer.getmany(timeout_ms=1000, max_records=POLL_RECORDS)
        waiting = []
        for place, records in polled.items():
            read = ((one.key, one.value, one.topic, one.partition, one.offset) for one in records)
            for key, state in changed_by(states, read, work).items():
                waiting.append(await producer.send(changelog, work.pack(state), key, partition=place.partition))
        await asyncio.gather(*waiting)
        if polled:
            await consumer.commit()
            await asyncio.sleep(GATHER_S)


if __name__ == "__main__":
    _, address, topic, output, name = sys.argv
    asyncio.run(follow(address, topic, output, WORKS[name]))
