"""Dead letters as lines of a file: exported, corrected by an editor or a script, and read again."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from schemas.messages.dead_letters import KEPT
from streams.dead_letters.store import StoredDeadLetter

ABSENT = msgspec.UNSET


class NotALine(Exception):
    """A line that names no dead letter, with what is wrong."""


class Line(msgspec.Struct, frozen=True):
    """What is read of a line; the other fields that an export has say why, and are not read."""

    partition: int
    offset: int
    written_ms: int
    key: str | None = None
    key_base64: str | msgspec.UnsetType = ABSENT  # instead of the key: bytes that are no UTF-8
    value: Any = None  # text, or the message itself, which is written as JSON
    value_base64: str | msgspec.UnsetType = ABSENT
    headers: dict[str, str] = {}
    headers_base64: dict[str, str] = {}  # instead of one of the same name


class Edited(NamedTuple):
    """A line of a file: which dead letter, and what is to be sent instead of it."""

    number: int
    at: tuple[int, int, int]  # partition, offset and time of the dead letter
    key: bytes | None
    value: bytes
    kept: tuple[tuple[str, bytes], ...]


def exported(one: StoredDeadLetter, refusal: str | None) -> dict[str, object]:
    """A dead letter as a line.

    refusal  why it cannot succeed as it is
    """
    return {
        "partition": one.partition,
        "offset": one.offset,
        "written_ms": one.written_ms,
        "topic": one.topic,
        "place": one.place,
        "reason": one.reason,
        "detail": one.detail,
        "attempts": one.attempts,
        "refusal": refusal,
        **_text("key", one.key),
        **_text("value", one.value),
        **_headers(one.kept),
    }


def edited(number: int, line: bytes) -> Edited:
    """Read a line; NotALine where it names no dead letter or its content cannot be told."""
    try:
        found = decode_line(line)
        key = None if found.key is None and found.key_base64 is ABSENT else _bytes(found.key, found.key_base64)
        texts = {name: value.encode() for name, value in found.headers.items()}
        headers = texts | {name: _decoded(value) for name, value in found.headers_base64.items()}
        kept = tuple((name, headers[name]) for name in KEPT if name in headers)
        value = _bytes(found.value, found.value_base64)
    except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error) as error:
        raise NotALine(str(error)) from error
    return Edited(number, (found.partition, found.offset, found.written_ms), key, value, kept)


def corrected(one: StoredDeadLetter, by: Edited) -> StoredDeadLetter:
    """A dead letter with the key, value and headers of a line."""
    return one._replace(key=by.key, value=by.value, kept=by.kept)


decode_line = msgspec.json.Decoder(Line).decode


def _text(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def _headers(kept: Iterable[tuple[str, bytes]]) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {"headers": {}}
    for name, value in kept:
        for field, text in _text("headers", value).items():
            found.setdefault(field, {})[name] = text
    return found


def _bytes(plain: Any, coded: "str | msgspec.UnsetType") -> bytes:
    """What a field holds: coded bytes, text, or a message that an editor has opened."""
    if not isinstance(coded, msgspec.UnsetType):
        return _decoded(coded)
    if plain is None:
        return b""
    return plain.encode() if isinstance(plain, str) else msgspec.json.encode(plain)


def _decoded(coded: str) -> bytes:
    return base64.b64decode(coded, validate=True)
