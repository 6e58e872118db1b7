"""A record of a topic as a line of a log: its value, with key, headers and place around it.

    {"recorded": {"topic": "freshet.feedback.v1", "partitions": 4, "partition": 3, "offset": 991, "time_ms": 165…},
     "key": "u42", "headers": [{"name": "ce_id", "value": "e-81723"}], "value": {"kind": "like", …}}

All on one line. A value that is JSON on one line stands as it is, byte for byte; any other, and a key or header that is
not UTF-8, stands as base64 (`value_base64`, `key_base64`, `base64`).
"""

import re
from collections.abc import Iterable

import msgspec

from streams.kafka.records import Headers, Record

MARK = b'"recorded"'
BEGIN = b'{"recorded":{"topic":"'  # of each line that is written here
BEGINNING = re.compile(rb'\{\s*"recorded"\s*:')


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a record was read, and its time there."""

    topic: str  # with its prefix
    partitions: int  # of the topic
    partition: int
    offset: int
    time_ms: int  # the record's, which the broker stamps


class _Header(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    name: str
    value: str | None = None
    base64: bytes | None = None


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    recorded: Place
    key: str | None = None
    key_base64: bytes | None = None
    headers: tuple[_Header, ...] = ()
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    value_base64: bytes | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode
_is_json = msgspec.json.Decoder().decode


def line_of(record: Record, partitions: int) -> bytes:
    """A record as a line, with the line's end; its topic has so many partitions."""
    place = Place(record.topic, partitions, record.partition, record.offset, record.timestamp)
    key, key_base64 = _text(record.key)
    value, value_base64 = _value(record.value)
    headers = tuple(_Header(name, *_text(content)) for name, content in record.headers)
    return _encode(_Line(place, key, key_base64, headers, value, value_base64)) + b"\n"


def record_of(line: bytes) -> tuple[Record, int] | None:
    """The record of a line and the partition count of its topic; None where the line is no recorded one."""
    if MARK not in line:
        return None
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    place, key, value = found.recorded, found.key_base64, found.value_base64
    if found.key is not None:
        key = found.key.encode()
    if found.value is not msgspec.UNSET:
        value = bytes(found.value)
    record = Record(place.topic, place.partition, place.offset, place.time_ms, key, value, _headers(found.headers))
    return record, max(place.partitions, 1)


def why_not_recorded(line: bytes) -> str | None:
    """Say in a sentence what is wrong with a line that begins as a recorded one; None for every other line."""
    if not BEGINNING.match(line):
        return None
    try:
        _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"as a recorded line: {error}"
    return None


def _value(value: bytes | None) -> tuple[msgspec.Raw | msgspec.UnsetType, bytes | None]:
    """As JSON, if reading the line gives the same bytes back, or else as base64."""
    if value is None:
        return msgspec.UNSET, None
    if value[:1] == b"{" and value[-1:] == b"}" and b"\n" not in value and b"\r" not in value:
        try:
            _is_json(value)
            return msgspec.Raw(value), None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    return msgspec.UNSET, value


def _text(content: bytes | None) -> tuple[str | None, bytes | None]:
    if content is None:
        return None, None
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return None, content


def _headers(headers: Iterable[_Header]) -> Headers:
    return [(one.name, one.base64 if one.value is None else one.value.encode()) for one in headers]
