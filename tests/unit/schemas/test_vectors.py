"""Vectors and their bytes on features.v1."""

import numpy as np
import pytest

from schemas.messages.vectors import decode_vector, encode_vector
from schemas.messages.videos import Vector

ROW = np.array([0.6, -0.8, 0.0], np.float32)


def test_a_vector_survives_its_bytes() -> None:
    stored = encode_vector("letters@1", ROW)
    assert stored is not None and (stored.dim, stored.encoder) == (3, "letters@1")
    for dim in (3, None):
        row = decode_vector(stored, dim)
        assert row is not None and row.dtype == np.float32 and row.tolist() == ROW.tolist()
        row[0] = 7.0  # it is the caller's own
    assert decode_vector(stored, 3) is not None and stored == encode_vector("letters@1", ROW)


def test_a_zero_row_is_not_stored() -> None:
    assert encode_vector("letters@1", np.zeros(8, np.float32)) is None


@pytest.mark.parametrize(
    ("data", "dim"),
    [
        (b"", 1),
        (b"", None),
        (b"\0\0\x80?", 2),
        (b"\0\0\x80", None),
        (b"\0\0\x80?x", None),
        (b"\0\0\xc0\x7f", 1),
        (b"\0\0\x80\x7f", None),
    ],
)
def test_bytes_that_are_no_vector_of_this_length_or_not_finite_are_none(data: bytes, dim: int | None) -> None:
    assert decode_vector(Vector(1, "letters@1", data), dim) is None


def test_no_vector_is_none() -> None:
    assert decode_vector(None) is None and decode_vector(None, 3) is None
