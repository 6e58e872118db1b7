"""What a record batch says of itself before it is unpacked, read from the broker byte by byte.

Layout: https://kafka.apache.org/documentation/#recordbatch
"""

import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kafka import KafkaConsumer
from kafka import TopicPartition as Place
from kafka.errors import KafkaError as BrokerError
from kafka.errors import OffsetOutOfRangeError, for_code
from kafka.protocol.consumer import FetchRequest

from schemas.settings.model import Settings
from streams.kafka.security import WIRE_LOGGERS, kafka_python_options

if not os.environ.get("FRESHET_DEBUG"):
    for chatty in ("kafka", *WIRE_LOGGERS):  # 15 lines for each question otherwise; what fails is raised
        logging.getLogger(chatty).setLevel(logging.CRITICAL)

ANSWER_TIMEOUT_S = 10.0
ANSWER_BYTES = 64 * 1024 * 1024  # the largest answer: one batch
FETCH_VERSIONS = {"min_version": 4, "max_version": 11}
HEAD = struct.Struct(">qiibIhiqq")  # first offset, length, leader epoch, magic, CRC, attributes, last delta, times
MAGIC = 2
TRANSACTIONAL = 0x30  # written in a transaction, or one of its markers
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class BatchHead(NamedTuple):
    """Where a batch begins and ends, and what it holds."""

    first: int
    last: int  # offsets, both of the batch
    newest_ms: int
    codec: str
    wire_bytes: int
    transactional: bool  # also a marker that ends a transaction


class NoBatch(LookupError):
    """There is no batch with that offset, or none whose head can be read."""


def head_of(data: bytes, end: int) -> BatchHead:
    """Head of the batch that these bytes begin with; the partition ends before offset `end`."""
    if len(data) < HEAD.size:
        raise NoBatch("the broker returned no batch")
    first, length, _, magic, _, attributes, delta, _, newest_ms = HEAD.unpack_from(data)
    if magic != MAGIC:  # one message, or a wrapper that has the offset of its last one
        return BatchHead(first, first, 0, f"of format {magic}", 12 + length, False)
    codec = attributes & 7
    last = min(max(first + delta, first), end - 1)  # a damaged head must not hide what is behind it
    name = CODECS[codec] if codec < len(CODECS) else str(codec)
    return BatchHead(first, last, newest_ms, name, 12 + length, bool(attributes & TRANSACTIONAL))


def batch_head(settings: Settings, topic: str, partition: int, offset: int) -> BatchHead:
    """Head of the batch that holds an offset; BrokerError or NoBatch where that cannot be known now."""
    with _asking(settings) as consumer:
        try:
            data, end = _fetched(consumer, topic, partition, offset)
        except OffsetOutOfRangeError:  # the beginning of the batch was deleted
            first = consumer.beginning_offsets([Place(topic, partition)])[Place(topic, partition)]
            data, end = _fetched(consumer, topic, partition, first)
    return head_of(data, end)


@contextmanager
def _asking(settings: Settings) -> Iterator[KafkaConsumer]:
    timeout_ms = int(ANSWER_TIMEOUT_S * 1000)
    consumer = KafkaConsumer(
        **kafka_python_options(settings),
        group_id=None,
        bootstrap_timeout_ms=timeout_ms,
        receive_message_max_bytes=ANSWER_BYTES,
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _fetched(consumer: KafkaConsumer, topic: str, partition: int, offset: int) -> tuple[bytes, int]:
    """The first batch with this offset or a later one, and the partition's end: one Fetch of one byte.

    A broker answers that with one whole batch. kafka-python's consumer would unpack it; its connections do not.
    """
    consumer.partitions_for_topic(topic)
    manager, of_topic = consumer._manager, FetchRequest.FetchTopic
    wanted = of_topic.FetchPartition(
        partition=partition,
        current_leader_epoch=-1,
        fetch_offset=offset,
        last_fetched_epoch=-1,
        partition_max_bytes=1,
    )
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[of_topic(topic=topic, partitions=[wanted])],
        forgotten_topics_data=[],
        rack_id="",
        **FETCH_VERSIONS,
    )
    sent = manager.send(request, manager.cluster.leader_for_partition(Place(topic, partition)))
    answer = consumer._net.run(manager.wait_for, sent, int(ANSWER_TIMEOUT_S * 1000))
    (found,) = answer.responses[0].partitions
    if found.error_code:
        raise for_code(found.error_code)(f"{topic}[{partition}]@{offset}")
    return bytes(found.records or b"")[: HEAD.size], found.high_watermark


__all__ = ["BatchHead", "BrokerError", "NoBatch", "batch_head", "head_of"]
