"""The one space of retrieval: which columns each modality has there, and how its vectors get into them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from encoders.base import ModelError, Vectors, unit_rows
from encoders.models.manifest import REMEDY, checked_bytes

RETRIEVAL_DIM = 256  # what a slate costs at 100,000 videos grows with this
BLOCKS = {"text": 192, "image": 48, "audio": 16}  # columns of the 256; a guess, see `Weighted`
PROJECTION = "projection.npy"
DIRECTIONS = {"text": PROJECTION, "image": "image_directions.npy", "audio": "audio_directions.npy"}

Way = Literal["concat", "mean", "attention"]
Modalities = Mapping[str, Vectors]  # by name, float32 [N, D_m]: norm 1, or a zero row where a video lacks it


def maps_of(folder: Path, way: Way) -> dict[str, Vectors]:
    """Where each modality lies in the one space [D_m, 256], see `Weighted`."""
    maps, first = {}, 0
    for name, width in BLOCKS.items():
        begin, stop = (0, RETRIEVAL_DIM) if (name, way) == ("text", "mean") else (first, first + width)
        directions = _directions(folder / DIRECTIONS[name], stop - begin)
        maps[name] = np.zeros((len(directions), RETRIEVAL_DIM), np.float32)
        maps[name][:, begin:stop] = directions
        first += width
    return maps


def projected(rows: Vectors, matrix: Vectors) -> Vectors:
    """Rows [N, D] along the columns of [D, d], each of norm 1; a zero row stays zero.

    Row by row: the bits of one product over the whole batch would depend on the batch.
    """
    if rows.shape[1] != matrix.shape[0]:
        raise ValueError(f"projected: got {rows.shape[1]} dimensions, needs {matrix.shape[0]}.")
    products = [row @ matrix for row in np.ascontiguousarray(rows)]
    return unit_rows(np.stack(products) if products else np.zeros((0, matrix.shape[1]), np.float32))


def principal_directions(vectors: Vectors, dim: int) -> Vectors:
    """The orthonormal directions [D, dim] that keep most of the inner products of [N, D], most first.

    Principal components without centring: retrieval compares by cosine, whose origin is zero, not the mean.
    Each direction's largest coordinate is made positive, so that the same vectors give the same signs.
    """
    wide = vectors.astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)  # eigenvalues ascend
    kept = directions[:, ::-1][:, :dim]
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    return np.ascontiguousarray(kept * signs, np.float32)


def _directions(path: Path, dim: int) -> Vectors:
    matrix: Vectors = np.load(io.BytesIO(checked_bytes(path)), allow_pickle=False)
    if matrix.ndim != 2 or matrix.shape[1] < dim:
        raise ModelError(f"{path} has the shape {matrix.shape} instead of [D, {dim}] or wider: {REMEDY}.")
    return np.ascontiguousarray(matrix[:, :dim])


def row_count(modalities: Modalities) -> int:
    if not modalities:
        raise ValueError("fuse: no modality was given; pass at least one array, with zero rows where it is missing.")
    return len(next(iter(modalities.values())))
