"""Vectors between their bytes on features.v1 and arrays."""

import numpy as np
from numpy.typing import NDArray

from schemas.messages.videos import Vector

Floats = NDArray[np.float32]


def encode_vector(made_by: str, row: Floats) -> Vector | None:
    """A row [D] as it is stored with the encoder that made it; None of a zero row, which says nothing."""
    return Vector(len(row), made_by, row.astype("<f4").tobytes()) if row.any() else None


def decode_vector(vector: Vector | None, dim: int | None = None) -> Floats | None:
    """Float32 [D] of a stored vector; None where there is none, or not `dim` numbers, or one that is not finite.

    >>> stored = encode_vector("text-minilm@1", np.array([0.6, 0.8], np.float32))
    >>> decode_vector(stored, 2), decode_vector(stored, 3) is None
    (array([0.6, 0.8], dtype=float32), True)
    """
    if vector is None or not vector.data or len(vector.data) != 4 * (len(vector.data) // 4 if dim is None else dim):
        return None
    row = np.frombuffer(vector.data, "<f4").astype(np.float32)
    return row if np.isfinite(row).all() else None
