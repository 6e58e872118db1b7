"""Kafka at hand: records, the partitioner, groupless consumers, and reading a topic up to its end."""

import asyncio
import logging
from typing import Any

from confluent_kafka import KafkaError, KafkaException

log = logging.getLogger("freshet.kafka")
ASK_S = 10.0  # for the broker's answer about a topic
PAUSE_S = 1.0  # before a broker that did not answer is asked again
LONGEST_POLL_S = 900.0  # then the group takes a worker for dead

CLIENT = {
    "reconnect.backoff.ms": 500,  # 20 tries a second as shipped, each with a line in the log
    "reconnect.backoff.max.ms": 2000,
    "socket.keepalive.enable": True,
    "log.connection.close": False,
    "logger": logging.getLogger("freshet.librdkafka"),
}
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "queued.max.messages.kbytes": 32 * 1024,  # bounds the memory of what is fetched ahead
}
GROUP = {
    "partition.assignment.strategy": "range",  # partition p of every topic that an agent reads goes to one worker
    "session.timeout.ms": 10_000,  # a killed worker's partitions are idle that long
    "heartbeat.interval.ms": 2_000,
    "max.poll.interval.ms": int(1000 * LONGEST_POLL_S),
    "queued.min.messages": 1,  # with the next line: no fetch request while the last one's records are unread
    "fetch.queue.backoff.ms": 5,
}


async def patiently(ask: Any, *given: Any) -> Any:
    """Ask the broker in a thread, and again for as long as it cannot be reached."""
    while True:
        try:
            return await asyncio.to_thread(ask, *given)
        except KafkaException as error:
            if not is_passing(error.args[0]):
                raise
            log.warning("the broker does not answer, asking again: %s", error.args[0].str())
            await asyncio.sleep(PAUSE_S)


PASSING = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._PARTITION_EOF,
        KafkaError._UNKNOWN_PARTITION,
        # while a broker comes back; librdkafka calls them retriable for some questions only
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
    )
)


def is_passing(error: KafkaError) -> bool:
    """Whether an error may go away by itself."""
    return bool(not error.fatal() and (error.retriable() or error.code() in PASSING))
