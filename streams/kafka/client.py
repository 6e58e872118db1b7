"""Options that every confluent-kafka client here has, and which of its errors pass by themselves."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from confluent_kafka import KafkaError
from confluent_kafka import KafkaException as KafkaException  # other folders catch it by this name

from schemas.topics import MAX_RECORD_BYTES
from streams.kafka.outage import CLIENT_LOG, OF_OUTAGE
from streams.kafka.thinned_log import Thinned

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("freshet.kafka")
client_log = logging.getLogger(CLIENT_LOG)
for repetitive in (log, client_log):
    repetitive.addFilter(Thinned())
METADATA_TIMEOUT_S = 10.0  # for an answer about a topic or an offset
RETRY_DELAY_S = 1.0  # before a broker that did not answer is asked again
ANSWER_TIMEOUT_S = 5.0  # of an agent's question, for its threads are few
PATIENCE_S = 10.0  # with one client that gets no answer; then another client asks
UNPACKED_BYTES = 32 * 1024 * 1024  # a batch of so much is read, one of three times that is passed over (unreadable.py)
MAX_POLL_INTERVAL_S = 900.0  # then the group takes a worker for dead

CLIENT = {
    "reconnect.backoff.ms": 500,  # by default 20 attempts a second, each with a line in the log
    "reconnect.backoff.max.ms": 2000,
    "socket.keepalive.enable": True,
    "log.connection.close": False,
    "logger": client_log,
}
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "queued.max.messages.kbytes": 32 * 1024,  # bounds the memory of what is fetched ahead
    "fetch.max.bytes": MAX_RECORD_BYTES,  # of one answer; a larger first batch comes all the same
    # Also of what a zstd batch unpacks to: librdkafka triples its buffer until that fits, and stops above this.
    "receive.message.max.bytes": 3 * UNPACKED_BYTES,
    "check.crcs": True,  # a damaged batch is known as one, instead of events that nobody sent
}
# Of who reads what comes by itself twice a second: by default each record that is written ends a fetch at the broker.
SELDOM = {"fetch.min.bytes": 1024 * 1024, "fetch.wait.max.ms": 500}
GROUP = {
    "partition.assignment.strategy": "range",  # partition p of every topic that an agent reads goes to one worker
    "session.timeout.ms": 10_000,  # a killed worker's partitions are idle that long
    "heartbeat.interval.ms": 2_000,
    "max.poll.interval.ms": int(1000 * MAX_POLL_INTERVAL_S),
}


async def retry_until_answered(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the broker in a thread, and again for as long as it cannot be reached."""
    while True:
        try:
            return await asyncio.to_thread(ask, *args, **kwargs)
        except KafkaException as error:
            if not is_transient(error.args[0]):
                raise
            _tell(error.args[0])
            await asyncio.sleep(RETRY_DELAY_S)


async def answered_in_time(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask the broker in a thread, and again for a while; then TimeoutError, for the client may have lost its broker.

    A topic that is not there is asked for again as well: somebody may be making it again.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await asyncio.to_thread(ask, *args, **kwargs)
        except KafkaException as error:
            if not is_transient(error.args[0]) and error.args[0].code() not in NOT_THERE:
                raise
            _tell(error.args[0])
            if time.monotonic() + RETRY_DELAY_S > end:
                raise TimeoutError(
                    f"the broker does not answer: {error.args[0].str()}"
                ) from None  # between two questions: no thread asks any more
            await asyncio.sleep(RETRY_DELAY_S)


def _tell(error: KafkaError) -> None:
    """Say that the broker is asked again: a warning, but for what a client hears that knows its former leader."""
    if error.code() in FORMER_LEADER:
        log.info("a partition has a new leader, asking again: %s", error.str())
    else:
        log.warning("the broker does not answer, asking again: %s", error.str(), extra=OF_OUTAGE)


NOT_THERE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
# A restarted broker is a new leader: each client that has not asked since hears so once, however much later.
FORMER_LEADER = (KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH)
TRANSIENT = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._PARTITION_EOF,
        KafkaError._UNKNOWN_PARTITION,
        # while a broker comes back; librdkafka calls them retriable for some requests only
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        *FORMER_LEADER,
        KafkaError._NOENT,  # a question for offsets while no partition has a leader
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.INCONSISTENT_TOPIC_ID,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
    )
)


def is_transient(error: KafkaError) -> bool:
    """Whether an error may go away by itself."""
    return not error.fatal() and (error.retriable() or error.code() in TRANSIENT)
