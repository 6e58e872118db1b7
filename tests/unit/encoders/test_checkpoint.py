"""A TensorFlow checkpoint is read without TensorFlow; here one that the test writes by its published form."""

import struct
from pathlib import Path

import numpy as np
import pytest

from encoders.base import ModelError
from encoders.export.checkpoint import MAGIC, read


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, value: int | bytes) -> bytes:
    told = varint(value) if isinstance(value, int) else varint(len(value)) + value
    return varint(number << 3 | (0 if isinstance(value, int) else 2)) + told


def entry(kind: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
    axes = b"".join(field(2, field(1, length)) for length in shape)
    crc = varint(6 << 3 | 5) + b"\0\0\0\0"
    return field(1, kind) + field(2, axes) + (field(4, offset) if offset else b"") + field(5, size) + crc


def block(rows: list[tuple[bytes, bytes]]) -> bytes:
    """Sorted keys, each told by what it shares with the one before; one restart."""
    told, before = b"", b""
    for key, value in rows:
        shared = next(
            (at for at, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), min(map(len, (before, key)))
        )
        told += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return told + struct.pack("<II", 0, 1)


def written(folder: Path, compressed: int = 0) -> Path:
    """Two matrices whose names begin alike, and a whole number."""
    weights, bias = np.arange(300, dtype="<f4"), np.array([[0.5], [-2]], "<f4")
    (folder / ".data-00000-of-00001").write_bytes(weights.tobytes() + bias.tobytes() + struct.pack("<q", 7))
    rows = [
        (b"", field(1, 1)),
        (b"dense/bias", entry(1, (2, 1), 1200, 8)),
        (b"dense/kernel", entry(1, (3, 100), 0, 1200)),
        (b"step", entry(9, (), 1208, 8)),
    ]
    data = block(rows)
    index = block([(b"z", varint(0) + varint(len(data)))])
    handles = varint(0) + varint(0) + varint(len(data) + 5) + varint(len(index))
    table = data + bytes([compressed]) + b"crc!" + index + b"\0crc!" + handles.ljust(40, b"\0") + MAGIC
    (folder / ".index").write_bytes(table)
    return folder


def test_every_tensor_is_found_by_its_name_in_its_shape(tmp_path: Path) -> None:
    found = read(written(tmp_path))
    assert sorted(found) == ["dense/bias", "dense/kernel"]
    assert (found["dense/kernel"] == np.arange(300).reshape(3, 100)).all()
    assert found["dense/bias"].tolist() == [[0.5], [-2.0]]


def test_a_compressed_or_foreign_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="compressed"):
        read(written(tmp_path, compressed=1))
    (tmp_path / ".index").write_bytes(b"something else")
    with pytest.raises(ModelError, match="is not the index of a checkpoint"):
        read(tmp_path)
