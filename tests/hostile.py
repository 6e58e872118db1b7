"""A thousand records that nobody should send, each with the reason that its dead letter has to carry."""

import json
from collections.abc import Iterator
from itertools import count, islice
from typing import Any, NamedTuple

from tests.stories import NOON

MAX = 256


class Hostile(NamedTuple):
    """A key and a value for feedback.v1, and the reason for which it is refused."""

    key: str | None
    value: bytes | None
    reason: str


def _event(**changes: Any) -> bytes:
    fields = {"kind": "watch", "user_id": "mallory", "video_id": "v1", "at_ms": NOON, "watched_ms": 1000} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def _raw(**changes: str) -> bytes:
    """An event whose fields are written as given, also where JSON has no such value."""
    fields = {
        "kind": '"watch"',
        "user_id": '"mallory"',
        "video_id": '"v1"',
        "at_ms": str(NOON),
        "watched_ms": "1",
    } | changes
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


UNREADABLE = [
    b"", b" ", b"nul", b"{", b'{"kind":"watch"', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"kind":"wa\xfftch"}',
    b'{"x":' + b"[" * 50_000, b'{"x":' + b'{"x":' * 5_000, b"<event/>", b"kind=watch", b"\x1f\x8b\x08junk",
    _raw(watched_ms="NaN"), _raw(watched_ms="Infinity"), _raw(watched_ms="01"), _raw(user_id='"\\ud800"'),
]  # fmt: skip
WRONG = [
    b"[]", b"42", b'"watch"', b"null", b"{}", _event(kind="zap"), _event(kind=...), _event(kind=7), _event(user_id=...),
    _event(video_id=...), _event(at_ms=...), _event(watched_ms=...), _event(user_id=""), _event(user_id=5),
    _event(user_id="u" * 257), _event(user_id="ü" * 200), _event(user_id="a\nb"), _event(video_id="a\x00b"),
    _event(at_ms="yesterday"), _event(at_ms=NOON + 0.5), _event(watched_ms=True), _event(watched_ms="5"),
    _event(event_id=[]), _event(kind="rate", value="good"), _event(kind="rate"), _event(kind="hide", scope="world"),
    _event(kind="impression"), _event(kind="search", query=7), _event(rank="first"), _event(event_id="e" * 300),
]  # fmt: skip
OUTSIDE = [
    _event(watched_ms=-1), _event(watched_ms=86_400_001), _event(duration_ms=-5), _event(kind="rate", value=1.5),
    _event(kind="rate", value=-0.1), _event(rank=0), _event(utc_offset_min=5000), _raw(watched_ms="1e999"),
    _raw(watched_ms="99999999999999999999999"),
]  # fmt: skip
OUT_OF_TIME = [
    _event(at_ms=NOON // 1000),
    _event(at_ms=0),
    _event(at_ms=-1),
    _event(at_ms=NOON * 1000),
    _event(at_ms=4_000_000_000_000),
]
TOO_LARGE = [_event(session_id="x" * 70_000), b"x" * 100_000]
HUGE = b'{"kind":"watch","pad":"' + b"x" * 10_000_000 + b'"}'
UNKNOWN = [
    b"\x00\x00\x00\x00\x07{}",
    _event(specversion="2.0", id="1", type="t", data={}),
    _event(specversion="1.0", id="1", type="a.v2", data={}),
]
MISKEYED = [_event(user_id="trent")]

KINDS = (
    [(value, "decode") for value in UNREADABLE]
    + [(value, "schema") for value in WRONG]
    + [(value, "range") for value in OUTSIDE]
    + [(value, "timestamp") for value in OUT_OF_TIME]
    + [(value, "too_large") for value in TOO_LARGE]
    + [(value, "schema_version") for value in UNKNOWN]
    + [(value, "key_mismatch") for value in MISKEYED]
)


def _records() -> Iterator[Hostile]:
    yield Hostile("mallory", None, "decode")
    yield Hostile("mallory", HUGE, "too_large")
    for number in count():
        value, reason = KINDS[number % len(KINDS)]
        yield Hostile("mallory", value, reason)


RECORDS = list(islice(_records(), 1000))
