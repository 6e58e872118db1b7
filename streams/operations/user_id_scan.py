"""Whether bytes hold a user id: as a whole, never as a part of something longer."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
BASE64 = re.compile(rb'"data_base64"\s*:\s*"([A-Za-z0-9+/=]*)"')  # a CloudEvent's data, encoded
HEADS = ((0xD9, 1), (0xDA, 2), (0xDB, 4), (0xC4, 1), (0xC5, 2), (0xC6, 4))  # MessagePack: str and bin, bytes of length
PART_OF_ID = rb"[A-Za-z0-9_\-\x80-\xff]"


def contains_user_id(data: bytes | None, user_id: str) -> bool:
    r"""Whether a key, a value or a header is the id, or holds it as a whole JSON string or MessagePack str.

    >>> of_u42 = (b"u42", rb'{"by":"\u00754\u0032"}', b"\x92\xa3u42\x01")
    >>> all(contains_user_id(data, "u42") for data in of_u42), contains_user_id(b'{"by":"u421"}', "u42")
    (True, False)
    """
    if not data:
        return False
    raw = user_id.encode("utf-8", "surrogatepass")
    if raw in data and (data == raw or _in_plain_json(data, user_id, raw) or _in_messagepack(data, raw)):
        return True
    return (b"\\" in data and _in_escaped_json(data, user_id)) or (b"data_base64" in data and _in_base64(data, user_id))


def lines_with_user_id(file: Path, user_id: str) -> Iterator[int]:
    """Numbers of the lines of a file, from 1, in which the id is a word or a whole JSON string."""
    raw = user_id.encode()
    word = re.compile(rb"(?<!" + PART_OF_ID + rb")" + re.escape(raw) + rb"(?!" + PART_OF_ID + rb")")
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if (raw in line and word.search(line)) or (b"\\" in line and _in_escaped_json(line, user_id)):
                yield number


def _in_plain_json(data: bytes, user_id: str, raw: bytes) -> bool:
    return not ('"' in user_id or "\\" in user_id) and b'"%b"' % raw in data


def _in_escaped_json(data: bytes, user_id: str) -> bool:
    """Whether a JSON string that has escapes in it reads as the id, or holds JSON that holds the id."""
    for token in STRING.findall(data):
        if b"\\" not in token:
            continue
        try:
            text = msgspec.json.decode(token, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # not JSON after all
        if text == user_id or ('"' in text and contains_user_id(text.encode("utf-8", "surrogatepass"), user_id)):
            return True
    return False


def _in_base64(data: bytes, user_id: str) -> bool:
    for encoded in BASE64.findall(data):
        try:
            inner = b64decode(encoded, validate=True)
        except NotBase64:
            continue
        if contains_user_id(inner, user_id):
            return True
    return False


def _in_messagepack(data: bytes, raw: bytes) -> bool:
    """Whether MessagePack holds the id; in damaged bytes that are not text either, its encoded form counts."""
    try:
        return any(leaf == raw for leaf in _leaves(msgspec.msgpack.decode(data)))
    except (ValueError, TypeError, RecursionError):  # TypeError: a map's key may be of any type
        pass
    try:
        data.decode()
    except UnicodeDecodeError:
        return any(head + raw in data for head in _heads(len(raw)))
    return False


def _heads(length: int) -> Iterator[bytes]:
    if length < 32:
        yield bytes((0xA0 | length,))
    for first, size in HEADS:
        if length < 256**size:
            yield bytes((first,)) + length.to_bytes(size, "big")


def _leaves(tree: Any) -> Iterator[bytes]:  # whatever MessagePack decodes to
    match tree:
        case str():
            yield tree.encode("utf-8", "surrogatepass")
        case bytes():
            yield tree
        case dict():
            for key, value in tree.items():
                yield from _leaves(key)
                yield from _leaves(value)
        case list() | tuple():
            for one in tree:
                yield from _leaves(one)
