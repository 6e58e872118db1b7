"""Faust's producer on librdkafka: idempotent, and waited for in slices of the event loop."""

import asyncio
import logging
from typing import Any

import confluent_kafka as kafka
from faust.transport import producer as faust_producer
from mode import Service

from streams.kafka.client import CLIENT
from streams.kafka.lost_broker import BrokerWatch, close_later
from streams.kafka.outage import OF_OUTAGE

log = logging.getLogger("freshet.producer")

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
        self.client = self._new_client()

    def _new_client(self) -> Any:
        size = {"message.max.bytes": self.max_request_size, "batch.size": self.max_batch_size}
        return kafka.Producer({**CLIENT, **PRODUCER, **self.transport.options, **size})  # type: ignore[attr-defined]

    @Service.task
    async def _watch_broker(self) -> None:
        """Replace the client where it has lost its broker, for as long as the worker runs."""
        watch, asking = BrokerWatch(self.transport.options), asyncio.Lock()  # type: ignore[attr-defined]
        while not self.should_stop:
            await self.sleep(watch.interval_s)
            self.client.poll(0)  # what it has to log comes now, and not with the next record, minutes after an outage
            topics = self.app.consumer.topics  # type: ignore[attr-defined]
            if topics and await watch.is_lost(self.client, topics[0], asking):
                self.replace_client()
                watch.start_again()

    def replace_client(self) -> None:
        """Send through another client; what the old one had taken is given back as refused, to be sent again.

        Some of it may have been written all the same: a repeat of a record has the same key and version.
        """
        log.warning("the producer has lost its broker; sending through another client", extra=OF_OUTAGE)
        old, self.client = self.client, self._new_client()
        old.purge()
        old.poll(0)  # the delivery reports
        close_later(old)

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
