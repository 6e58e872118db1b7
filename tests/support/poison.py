"""Batches that no client should send and that a broker takes, by name, with what they come to."""

import gzip
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pyarrow

from tests.support import wire
from tests.support.wire import Raw

MEGABYTE = 1024 * 1024
BAD_NAME = ((b"trac\xe9-id", b"7"),)


class Poison(NamedTuple):
    """A batch, and how many dead letters it comes to."""

    data: bytes
    dead_letters: int


def packed(raws: list[Raw], codec: str, at_ms: int) -> bytes:
    """A batch compressed by a codec, sound but for what it holds."""
    attributes = {"snappy": wire.SNAPPY, "lz4": wire.LZ4, "zstd": wire.ZSTD}[codec]
    records = wire.records_of(raws)
    if codec == "snappy":
        data = pyarrow.compress(records, codec="snappy", asbytes=True)
    else:
        data = pyarrow.compress(records, codec=codec, asbytes=True)
    return wire.batch(data, len(raws), at_ms=at_ms, attributes=attributes)


def zeros(megabytes: int) -> Raw:
    """A record of zeros, which any codec packs into little."""
    return Raw(bytes(megabytes * MEGABYTE), b"u1")


def batches(at_ms: int) -> Mapping[str, Callable[[], Poison]]:
    """Each kind, made when it is asked for: some take seconds."""
    return {
        "zstd, 150 MB": lambda: Poison(packed([zeros(150)], "zstd", at_ms), 1),
        "zstd, three records of 60 MB": lambda: Poison(packed([zeros(60)] * 3, "zstd", at_ms), 1),
        "gzip, 200 MB": lambda: Poison(wire.gzipped([zeros(200)], at_ms), 1),
        "snappy, 150 MB": lambda: Poison(packed([zeros(150)], "snappy", at_ms), 1),
        "a header's name is Latin-1": lambda: Poison(wire.plain([Raw(b"{", b"u1", BAD_NAME)], at_ms), 1),
        "no value, header's name is Latin-1": lambda: Poison(wire.plain([Raw(None, None, BAD_NAME)], at_ms), 1),
        "100,000 headers": lambda: Poison(
            wire.plain([Raw(b"{", b"u1", [(b"n%d" % n, None) for n in range(100_000)])], at_ms), 1
        ),
        "a header of 15 MB": lambda: Poison(wire.plain([Raw(b"{", b"u1", [(b"n", bytes(15_000_000))])], at_ms), 1),
        "a key of 15 MB": lambda: Poison(wire.plain([Raw(b"{", bytes(15_000_000))], at_ms), 1),
    }


__all__ = ["BAD_NAME", "Poison", "batches", "gzip", "packed", "zeros"]
