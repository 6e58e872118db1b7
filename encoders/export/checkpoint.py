"""Reads a TensorFlow checkpoint without TensorFlow: an uncompressed V2 bundle of float32 tensors in one shard."""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from encoders.base import ModelError, Vectors

FOOTER = 48  # bytes: two block handles, filled up, then the magic number of LevelDB's tables
MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT32 = 1  # TensorFlow's DT_FLOAT
TYPE, SHAPE, OFFSET, SIZE = 1, 2, 4, 5  # fields of a BundleEntryProto
AXIS = 2  # field of its TensorShapeProto


def read(folder: Path) -> dict[str, Vectors]:
    """Every float32 tensor of a checkpoint by its name.

    folder  of the files .index, a sorted table from names to places, and .data-00000-of-00001, the numbers
    """
    table, numbers = (folder / ".index").read_bytes(), (folder / ".data-00000-of-00001").read_bytes()
    if table[-len(MAGIC) :] != MAGIC:
        raise ModelError(f"{folder / '.index'} is not the index of a checkpoint: fetch the weights again.")
    footer, at = table[-FOOTER:], 0
    _, at = _varint(footer, at)  # the handle of the meta block, which has nothing about the tensors
    _, at = _varint(footer, at)
    found: dict[str, Vectors] = {}
    for _, handle in _entries(_block(table, footer[at:])):
        for name, entry in _entries(_block(table, handle)):
            fields = dict(_fields(entry))
            if name and fields.get(TYPE) == FLOAT32:  # the nameless entry describes the bundle
                found[name.decode()] = _tensor(numbers, fields)
    return found


def _tensor(numbers: bytes, fields: Mapping[int, Any]) -> Vectors:
    shape = [dict(_fields(axis)).get(1, 0) for number, axis in _fields(fields[SHAPE]) if number == AXIS]
    start = fields.get(OFFSET, 0)  # a zero is left out
    return np.frombuffer(numbers[start : start + fields[SIZE]], "<f4").reshape(shape)


def _block(table: bytes, handle: bytes) -> bytes:
    """The block that a handle (offset, size) points to, without its list of restarts."""
    offset, at = _varint(handle, 0)
    size, _ = _varint(handle, at)
    if table[offset + size] != 0:
        raise ModelError("the checkpoint's index is compressed, which this reader does not understand.")
    block = table[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    return block[: -4 * (restarts + 1)]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; each key is stored by how much it shares with the one before."""
    at, key = 0, b""
    while at < len(block):
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        size, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protocol buffer message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        size = {0: 0, 1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if size is None:
            size, at = _varint(message, at)
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where what follows begins."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at
