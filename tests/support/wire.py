"""Record batches byte for byte (version 2 of the format), sent by a bare Produce request: what no client would write.

Layout: https://kafka.apache.org/documentation/#recordbatch
"""

import gzip
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kafka.record.util import calc_crc32c

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
PRODUCE, VERSION = 0, 7  # the first version that takes zstd, and the last one without tagged fields
HEAD = struct.Struct(
    ">qiibIhiqqqhii"
)  # offset, length, leader epoch, magic, CRC, attributes, last delta, times, producer
LENGTH_FROM, CRC_FROM = 12, 21
NOT_YET = (3, 5, 6)  # a topic that was made a moment ago: unknown, without a leader, led by another
RawHeaders = Sequence[tuple[bytes, bytes | None]]


class Raw(NamedTuple):
    """One record of a batch, as bytes."""

    value: bytes | None
    key: bytes | None = None
    headers: RawHeaders = ()
    time_delta: int = 0
    attributes: int = 0


def varint(number: int) -> bytes:
    """A zigzag varint, as records have them.

    >>> varint(-1), varint(150)
    (b'\\x01', b'\\xac\\x02')
    """
    left, found = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        found.append((left & 0x7F) | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def _bytes(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def record(raw: Raw, offset_delta: int) -> bytes:
    """A record with its length before it."""
    headers = b"".join(varint(len(name)) + name + _bytes(value) for name, value in raw.headers)
    body = b"".join(
        (
            bytes((raw.attributes,)),
            varint(raw.time_delta),
            varint(offset_delta),
            _bytes(raw.key),
            _bytes(raw.value),
            varint(len(raw.headers)),
            headers,
        )
    )
    return varint(len(body)) + body


def records_of(raws: Iterable[Raw]) -> bytes:
    """The records of a batch, not yet compressed."""
    return b"".join(record(raw, number) for number, raw in enumerate(raws))


def batch(records: bytes, count: int, *, at_ms: int, attributes: int = NONE, last_delta: int | None = None) -> bytes:
    """A batch around its records, which are compressed already; attributes: the codec, and 0x20 for control records."""
    last = count - 1 if last_delta is None else last_delta
    length = HEAD.size - LENGTH_FROM + len(records)
    head = HEAD.pack(0, length, -1, 2, 0, attributes, last, at_ms, at_ms, -1, -1, -1, count)
    crc = calc_crc32c(head[CRC_FROM:] + records)
    return head[:17] + struct.pack(">I", crc) + head[CRC_FROM:] + records


def plain(raws: Sequence[Raw], at_ms: int) -> bytes:
    """A sound batch without compression."""
    return batch(records_of(raws), len(raws), at_ms=at_ms)


def gzipped(raws: Sequence[Raw], at_ms: int) -> bytes:
    """A sound batch, gzipped."""
    return batch(gzip.compress(records_of(raws), 9), len(raws), at_ms=at_ms, attributes=GZIP)


class Placed(NamedTuple):
    """What the broker answered: an error code (0: none) and the first offset."""

    error: int
    offset: int


def produce(bootstrap: str, topic: str, partition: int, data: bytes) -> Placed:
    """Send a batch as it is; again while the topic is not yet known everywhere."""
    while (placed := _produce(bootstrap, topic, partition, data)).error in NOT_YET:
        time.sleep(0.1)
    return placed


def _produce(bootstrap: str, topic: str, partition: int, data: bytes) -> Placed:
    name, client = topic.encode(), b"wire"
    head = struct.pack(f">hhih{len(client)}s", PRODUCE, VERSION, 1, len(client), client)
    body = struct.pack(f">hhiih{len(name)}siii", -1, -1, 30_000, 1, len(name), name, 1, partition, len(data))
    host, port = bootstrap.split(",")[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(struct.pack(">i", len(head) + len(body) + len(data)) + head + body + data)
        (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        answer = connection.recv(size, socket.MSG_WAITALL)
    error, offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    return Placed(error, offset)
