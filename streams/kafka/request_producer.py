"""Records published for many requests at a time: each request waits for its own delivery reports alone."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES
from streams.kafka.client import CLIENT, KafkaException
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.lost_broker import close_later
from streams.kafka.outage import OF_OUTAGE
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_watch import TopicWatch

log = logging.getLogger("freshet.producer")

DELIVERY_LIMIT_S = 10.0  # then librdkafka gives a record up, and whoever published it is told
MARGIN_S = 5.0  # how much longer than librdkafka itself a request waits
POLL_S = 0.1
QUEUE_FULL_WAIT_S = 0.005
ANSWERED_S = 5.0  # a broker that answered others so lately is there: then the client is at fault
GIVEN_UP = (KafkaError._MSG_TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)


class NotConfirmedError(Exception):
    """Records that the broker did not confirm, with the reason; some of them may be written all the same."""


class Written(NamedTuple):
    """Where a record is, as its delivery report said."""

    partition: int
    offset: int


class _Batch:
    """The records of one request, and their delivery reports as they come."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.written: list[Written | None] = [None] * count
        self.error: KafkaError | None = None
        self._left = count
        self._counting = threading.Lock()  # the thread that polls, and the loop's where the client refuses a record

    def take(self, at: int, error: KafkaError | None, message: Message | None) -> None:
        """Take the report of one record; called by whichever thread polls."""
        if error is None and message is not None:
            self.written[at] = Written(message.partition() or 0, message.offset() or 0)
        else:
            self.error = self.error or error
        with self._counting:
            self._left -= 1
            is_last = not self._left
        if is_last and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():  # whoever waited may have gone
            self.done.set_result(None)


class RequestProducer:
    """An idempotent producer that is polled by a thread of its own.

    watch  knows the topics that may be published to: a broker may create another one at its first record
    """

    def __init__(self, settings: Settings, watch: TopicWatch) -> None:
        self._watch = watch
        self._options = {
            **CLIENT,
            **librdkafka_options(settings),
            "enable.idempotence": True,  # and with it acks=all
            "partitioner": "murmur2_random",  # as the agents have it
            "linger.ms": 1,
            "message.max.bytes": MAX_RECORD_BYTES,
            "message.timeout.ms": int(1000 * DELIVERY_LIMIT_S),
        }
        self._client: Any = Producer(self._options)
        self._changing = threading.Lock()  # held while records are handed over, and while the client is replaced
        self._is_suspect = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="producer", daemon=True)

    def start(self) -> None:
        """Begin to take delivery reports."""
        self._thread.start()

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> list[Written]:
        """Where each record is, once all are confirmed; NotConfirmedError where one is not."""
        if not records:
            return []
        if topic not in self._watch.current:
            raise NotConfirmedError(f"There is no topic {topic}, or the broker has not answered yet.")
        batch, end_s = _Batch(len(records)), time.monotonic() + DELIVERY_LIMIT_S
        for at, record in enumerate(records):
            while not self._hand_over(topic, record, partial(self._take, batch, at)):
                if time.monotonic() > end_s:
                    raise NotConfirmedError("The broker does not take records as fast as they come.")
                await asyncio.sleep(QUEUE_FULL_WAIT_S)
        try:
            await asyncio.wait_for(asyncio.shield(batch.done), DELIVERY_LIMIT_S + MARGIN_S)
        except TimeoutError:
            raise NotConfirmedError(f"No delivery report came within {DELIVERY_LIMIT_S:g} s.") from None
        if batch.error is not None:
            raise NotConfirmedError(f"The broker did not confirm a record: {batch.error.str()}.")
        return [one for one in batch.written if one is not None]

    def close(self) -> None:
        """Wait shortly for what is in flight, and give up the rest."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(MARGIN_S)
        self._client.flush(MARGIN_S)
        self._client.purge()
        self._client.poll(0)

    def _hand_over(self, topic: str, record: Outgoing, on_delivery: Any) -> bool:
        """Give a record to the client; False while its queue is full."""
        with self._changing:
            try:
                self._client.produce(
                    topic, record.value, record.key, on_delivery=on_delivery, headers=list(record.headers)
                )
            except BufferError:
                return False
            except KafkaException as error:  # the client itself refuses it: too large, for one
                on_delivery(error.args[0], None)
        return True

    def _take(self, batch: _Batch, at: int, error: KafkaError | None, message: Message | None) -> None:
        if error is not None and error.code() in GIVEN_UP:
            self._is_suspect = True
        batch.take(at, error, message)

    def _poll(self) -> None:
        while not self._stopped.is_set():
            self._client.poll(POLL_S)
            if self._is_suspect:
                self._is_suspect = False
                if time.monotonic() - self._watch.asked_s < ANSWERED_S:
                    self._replace_client()

    def _replace_client(self) -> None:
        """Go on with another client: one that lost its only broker asks nobody ever again."""
        why = "the producer gave records up although the broker answers"
        log.warning("%s; going on with another client", why, extra=OF_OUTAGE)
        with self._changing:
            old, self._client = self._client, Producer(self._options)
            old.purge()
            old.poll(0)  # the delivery reports
        close_later(old)
