"""Protocol buffers, field by field: models, vocabularies and checkpoints are such files, and need no package for it.

The format: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator

NUMBER, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # how a field is written


def fields(content: bytes, within: slice = slice(None)) -> Iterator[tuple[int, int | slice]]:
    """Each field's number, and its value: a number, or where its bytes lie in `content`.

    within  where the message lies; all of it is one otherwise

    >>> content = number_field(1, 300) + text_field(2, "abc")
    >>> [(key, value if isinstance(value, int) else content[value]) for key, value in fields(content)]
    [(1, 300), (2, b'abc')]
    """
    at, end, _ = within.indices(len(content))
    while at < end:
        key, at = varint(content, at)
        kind = key & 7
        if kind == NUMBER:
            value, at = varint(content, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            length, at = varint(content, at)
        elif kind in (EIGHT, FOUR):
            length = 8 if kind == EIGHT else 4
        else:
            raise ValueError(key)
        yield key >> 3, slice(at, at + length)
        at += length


def varint(content: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the least first, and where what follows begins."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def number_field(field: int, value: int) -> bytes:
    return as_varint(field << 3) + as_varint(value & (1 << 64) - 1)


def float_field(field: int, value: float) -> bytes:
    return as_varint(field << 3 | FOUR) + struct.pack("<f", value)


def text_field(field: int, value: str) -> bytes:
    return bytes_field(field, value.encode())


def bytes_field(field: int, value: bytes) -> bytes:
    return as_varint(field << 3 | BYTES) + as_varint(len(value)) + value


def as_varint(value: int) -> bytes:
    """
    >>> as_varint(300).hex()
    'ac02'
    """
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
