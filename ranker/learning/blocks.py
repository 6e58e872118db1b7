"""Blocks: the learned parameters as records, a few rows each, and a manifest that says of which blocks they are.

A record is written again whenever something in it was learned. Its numbers are float64, so that whoever reads all of
them has the very same parameters.
"""

from collections.abc import Mapping, Sequence
from math import prod

import msgspec
import numpy as np

from ranker.learning.features import FIRST_WEIGHTS, WEIGHT_VARIANCE
from ranker.learning.parameters import NOBODY, UNKNOWN, WIDTH, Floats, H, Parameters

ROWS = 8  # of a block: what one exposure teaches lies scattered, so that small ones are less to write
ROW_BYTES = 8 * WIDTH
BLOCK_BYTES = ROWS * ROW_BYTES
TOTALS, WEIGHTS, COVARIANCE = (1 + H,), FIRST_WEIGHTS.shape, (H, len(WEIGHT_VARIANCE), len(WEIGHT_VARIANCE))


class BlockError(ValueError):
    """A record that holds no block, or no manifest, of these features."""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Rows of the parameters: their keys, and their numbers."""

    fields: Sequence[int]  # −1: nobody's row
    keys: Sequence[str]
    numbers: bytes  # [rows, WIDTH] float64


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """What is current: written when all of its blocks are.

    number   one more than the manifest before it
    slot     of the blocks that count
    rows     how many there are
    shape    of the features; see storage.py
    tick     the newest second of event time that was learned from
    days     with exposures, the newest of them
    learned  by partition of feedback the place of the newest event that was learned from
    """

    number: int
    slot: int
    rows: int
    shape: str
    tick: int
    days: list[int]
    learned: dict[int, int]
    totals: bytes
    weights: bytes
    covariance: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_block = msgspec.msgpack.Decoder(Block).decode
_decode_manifest = msgspec.msgpack.Decoder(Manifest).decode


def block_count(parameters: Parameters) -> int:
    """How many blocks the rows make."""
    return -(-len(parameters.keys) // ROWS)


def encoded_blocks(parameters: Parameters, numbers: Sequence[int]) -> list[bytes]:
    """The blocks of these numbers as they are stored."""
    starts = np.array(numbers, np.int64) * ROWS
    rows = np.minimum(starts[:, None] + np.arange(ROWS), len(parameters.keys) - 1)  # the last block may be shorter
    values = parameters.numbers(rows.ravel()).reshape(-1, ROWS, WIDTH)
    every, found = values.tobytes(), []
    for place, start in enumerate(starts.tolist()):
        fields, keys = zip(*parameters.keys[start : start + ROWS], strict=True)
        begin = place * BLOCK_BYTES
        found.append(_encode(Block(fields, keys, every[begin : begin + len(keys) * ROW_BYTES])))
    return found


def put_block(parameters: Parameters, number: int, data: bytes) -> None:
    """Take in a block; BlockError for what holds none, or lies beyond the rows."""
    start = number * ROWS
    try:
        found = _decode_block(data)
        if start + len(found.keys) > len(parameters.keys):
            raise ValueError("it lies beyond the rows")
        if len(found.fields) != len(found.keys):
            raise ValueError("a key has no field")
        numbers = np.frombuffer(found.numbers).reshape(len(found.keys), WIDTH)
    except ValueError as error:
        raise BlockError(f"block {number} is damaged: {error}") from error
    for row, named in enumerate(zip(found.fields, found.keys, strict=True), start):
        if row != UNKNOWN:
            parameters.name(row, named if named[0] >= 0 else NOBODY)
    parameters.put_numbers(slice(start, start + len(numbers)), numbers)


def manifest(parameters: Parameters, number: int, slot: int, learned: Mapping[int, int], shape: str) -> bytes:
    """The manifest of these parameters as it is stored."""
    whole = (parameters.totals, parameters.weights, parameters.covariance)
    rows, times = len(parameters.keys), (parameters.tick, parameters.days)
    return _encode(Manifest(number, slot, rows, shape, *times, dict(learned), *(one.tobytes() for one in whole)))


def manifest_of(data: bytes, shape: str) -> Manifest:
    """A stored manifest; BlockError where it is damaged, or of other features."""
    try:
        found = _decode_manifest(data)
    except ValueError as error:
        raise BlockError(f"a manifest is damaged: {error}") from error
    if found.shape != shape:
        raise BlockError("they were learned with other features")
    arrays = (found.totals, TOTALS), (found.weights, WEIGHTS), (found.covariance, COVARIANCE)
    if any(len(data) != 8 * prod(of) for data, of in arrays) or found.slot not in (0, 1) or not found.rows > 0:
        raise BlockError("a manifest is damaged: its numbers are not those of these features")
    return found


def put_manifest(parameters: Parameters, found: Manifest) -> None:
    """Take in what a manifest says itself, and make room for its rows."""
    parameters.totals = _array(found.totals, TOTALS)
    parameters.weights = _array(found.weights, WEIGHTS)
    parameters.covariance = _array(found.covariance, COVARIANCE)
    parameters.tick, parameters.days = found.tick, list(found.days)
    parameters.cut_to(found.rows)
    parameters.keys += [NOBODY] * (found.rows - len(parameters.keys))
    parameters.make_room(found.rows)


def _array(data: bytes, shape: tuple[int, ...]) -> Floats:
    return np.frombuffer(data).reshape(shape).copy()
