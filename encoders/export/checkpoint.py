"""Reads a TensorFlow checkpoint without TensorFlow: an uncompressed V2 bundle of float32 tensors in one shard."""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from encoders.base import ModelError, Vectors
from encoders.models.protobuf import fields, varint

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
    _, at = varint(footer, at)  # the handle of the meta block, which has nothing about the tensors
    _, at = varint(footer, at)
    found: dict[str, Vectors] = {}
    for _, handle in _entries(_block(table, footer[at:])):
        for name, entry in _entries(_block(table, handle)):
            told = _told(entry)
            if name and told.get(TYPE) == FLOAT32:  # the nameless entry describes the bundle
                found[name.decode()] = _tensor(numbers, entry, told)
    return found


def _tensor(numbers: bytes, entry: bytes, told: Mapping[int, Any]) -> Vectors:
    shape = [_told(entry, axis).get(1, 0) for number, axis in fields(entry, told[SHAPE]) if number == AXIS]
    start = told.get(OFFSET, 0)  # a zero is left out
    return np.frombuffer(numbers[start : start + told[SIZE]], "<f4").reshape(shape)


def _told(entry: bytes, within: Any = slice(None)) -> dict[int, Any]:
    return dict(fields(entry, within))


def _block(table: bytes, handle: bytes) -> bytes:
    """The block that a handle (offset, size) points to, without its list of restarts."""
    offset, at = varint(handle, 0)
    size, _ = varint(handle, at)
    if table[offset + size] != 0:
        raise ModelError("the checkpoint's index is compressed, which this reader does not understand.")
    block = table[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    return block[: -4 * (restarts + 1)]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; each key is stored by how much it shares with the one before."""
    at, key = 0, b""
    while at < len(block):
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size
