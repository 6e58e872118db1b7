"""The one space of retrieval: which columns each modality has there, and how its vectors get into them."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from encoders.base import ModelError, Vectors, unit_rows
from encoders.modalities.modality import REST, Modality, ModalitySet
from encoders.models.manifest import checked_bytes, remedy_of

RETRIEVAL_DIM = 256  # what a slate costs at 100,000 videos grows with this

Way = Literal["concat", "mean", "attention"]
ModalityRows = Mapping[str, Vectors]  # by name, float32 [N, D_m]: norm 1, or a zero row where a video lacks it


def maps_of(modalities: ModalitySet, way: Way) -> dict[str, Vectors]:
    """Where each modality lies in the one space, float32 [D_m, 256], see `Weighted`."""
    maps = {}
    for one in modalities:
        columns = columns_of(modalities, way)[one.name]
        maps[one.name] = np.zeros((one.dim, RETRIEVAL_DIM), np.float32)
        maps[one.name][:, columns] = _directions(one, columns.stop - columns.start)
    return maps


def columns_of(modalities: ModalitySet, way: Way) -> dict[str, slice]:
    """The columns of each modality: side by side in their order, as many as it wants.

    One that takes the rest gets what the others leave, and in the weighted mean all 256, so that the others lie over
    its end. A ValueError where they want more than there are.
    """
    wanted = sum(one.columns for one in modalities)
    takes_rest = [one.name for one in modalities if one.columns == REST]
    if wanted > RETRIEVAL_DIM - len(takes_rest) or len(takes_rest) > 1:
        raise ValueError(
            f"The modalities want {wanted} of the {RETRIEVAL_DIM} columns, and {', '.join(takes_rest) or 'none'} the "
            "rest: let them want fewer, and at most one of them the rest."
        )
    found, start = {}, 0
    for one in modalities:
        width = one.columns or RETRIEVAL_DIM - wanted
        everywhere = one.columns == REST and way == "mean"
        found[one.name] = slice(0, RETRIEVAL_DIM) if everywhere else slice(start, start + width)
        start += width
    return found


def _directions(modality: Modality[object], width: int) -> Vectors:
    """Float32 [D_m, width], as the modality describes them; a ModelError where it gives others."""
    dim = modality.dim
    if modality.directions is None:
        found: Vectors = np.eye(dim, dtype=np.float32)[:, :width]
    else:
        found = modality.directions(width)
    if found.shape != (dim, width):
        raise ModelError(
            f"The modality {modality.name} gives directions of the shape {found.shape} instead of ({dim}, {width}): "
            "let it want fewer columns, or give more directions."
        )
    return found


def read_directions(path: Path, width: int) -> Vectors:
    """The first so many directions [D, width] of a file of the model folder; a ModelError where it has fewer."""
    matrix: Vectors = np.load(io.BytesIO(checked_bytes(path)), allow_pickle=False)
    if matrix.ndim != 2 or matrix.shape[1] < width:
        raise ModelError(
            f"{path} has the shape {matrix.shape} instead of [D, {width}] or wider: {remedy_of(path.parent)}."
        )
    return np.ascontiguousarray(matrix[:, :width])


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


def row_count(rows: ModalityRows) -> int:
    """How many videos there are; a ValueError where there is no modality to count them by."""
    if not rows:
        raise ValueError("fuse: no modality was given; pass at least one array, with zero rows where it is missing.")
    return len(next(iter(rows.values())))
