"""Faust's producer on librdkafka: idempotent, and waited for in slices of the event loop."""

import asyncio
from typing import Any

import confluent_kafka as kafka
from faust.transport import producer as faust_producer

from streams.kafka.client import CLIENT

POLL_SLICE_S = 0.005  # of the event loop that a wait takes at a time

PRODUCER = {
    "enable.idempotence": True,  # and with it acks=all
    "linger.ms": 0,  # a poll's records are handed over together
    "message.timeout.ms": 0,  # librdkafka tries for as long as the poll is in flight
    "queue.buffering.max.messages": 1_000_000,
}


class Producer(faust_producer.Producer):
    """An idempotent producer with a delivery report for every record."""

    client: Any = None  # confluent_kafka.Producer once started; tests put their own here
    flushes = 0  # so far

    async def on_start(self) -> None:
        """Make the client; it connects by itself."""
        await super().on_start()
        size = {"message.max.bytes": self.max_request_size, "batch.size": self.max_batch_size}
        self.client = kafka.Producer({**CLIENT, **PRODUCER, **self.transport.options, **size})  # type: ignore[attr-defined]

    async def flush(self) -> None:
        """Wait until the broker has acked or refused all that was handed over."""
        with self.transport.waits.waiting("the broker to take records"):  # type: ignore[attr-defined]
            while self.client is not None and len(self.client):
                self.client.poll(POLL_SLICE_S)
                await asyncio.sleep(0)
        self.flushes += 1

    async def on_stop(self) -> None:
        """Give up what the broker has not acked by now; its offsets are not committed."""
        if self.client is not None:
            self.client.purge()
            self.client.poll(0)

    async def send(self, *_: Any, **__: Any) -> Any:  # Faust's signature, all of it refused
        """Not for single messages."""
        raise NotImplementedError("agents send through streams/kafka/confirmed_producer.py")

    send_and_wait = send
