"""Records that nobody should send, by what is wrong with them, each with the reason that its dead letter carries.

This is the table of bad input, but for media and their addresses: nothing reads those yet.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Any, NamedTuple

from tests.support.events import NOON

Headers = tuple[tuple[str, bytes | None], ...]
CLOUD: Headers = (("ce_specversion", b"1.0"), ("ce_type", b"com.example.feedback.v1"))
FAR = 5 * 60_000 + 1  # ms: further ahead of the broker's clock than a client's may be
MEGABYTE = 1024 * 1024


class Hostile(NamedTuple):
    """One record, and the reason for which it is refused."""

    name: str
    reason: str
    value: bytes | None
    key: str | None = "mallory"
    headers: Headers = ()


def _event(**changes: Any) -> bytes:
    fields = {"kind": "watch", "user_id": "mallory", "video_id": "v1", "at_ms": NOON, "watched_ms": 1000} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def _upload(**changes: Any) -> bytes:
    fields = {"kind": "upload", "video_id": "v1", "at_ms": NOON, "title": "One"} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def _raw(**changes: str) -> bytes:
    """An event whose fields are written as given, also where JSON has no such value."""
    ids = {"kind": '"watch"', "user_id": '"mallory"', "video_id": '"v1"'}
    fields = {**ids, "at_ms": str(NOON), "watched_ms": "1", **changes}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


# --- what no topic of JSON can use ----------------------------------------------------------------

UNREADABLE: Mapping[str, bytes] = {
    "empty": b"", "a space": b" ", "half a word": b"nul", "one brace": b"{", "cut": b'{"kind":"wat',
    "UTF-16": b"\xff\xfe{}", "no UTF-8": b'{"kind":"wa\xfftch"}',
    "50,000 lists deep": b'{"x":' + b"[" * 50_000, "5,000 objects deep": b'{"x":' + b'{"x":' * 5_000,
    "10,000 deep and closed": b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "XML": b"<event/>", "a form": b"kind=watch", "gzip": b"\x1f\x8b\x08junk",
}  # fmt: skip
NO_OBJECT: Mapping[str, bytes] = {
    "a list": b"[]", "a number": b"42", "a text": b'"watch"', "null in JSON": b"null", "nothing in it": b"{}",
    "nothing behind a byte order mark": b"\xef\xbb\xbf{}",
}  # fmt: skip
UNKNOWN: Mapping[str, bytes] = {
    "a registry's wire format": b"\x00\x00\x00\x00\x07{}",
    "CloudEvents 2.0": _event(specversion="2.0", id="1", type="t", data={}),
    "version 2 of the type": _event(specversion="1.0", id="1", type="a.v2", data={}),
}

# --- feedback -------------------------------------------------------------------------------------

UNWRITTEN: Mapping[str, bytes] = {
    "NaN": _raw(watched_ms="NaN"), "Infinity": _raw(watched_ms="Infinity"), "a leading zero": _raw(watched_ms="01"),
    "two in one": _event() + _event(),
}  # fmt: skip
WRONG: Mapping[str, bytes] = {
    "unknown kind": _event(kind="zap"), "no kind": _event(kind=...), "a number for a kind": _event(kind=7),
    "no user_id": _event(user_id=...), "no video_id": _event(video_id=...), "no at_ms": _event(at_ms=...),
    "no watched_ms": _event(watched_ms=...), "empty user_id": _event(user_id=""), "user_id a number": _event(user_id=5),
    "257 letters": _event(user_id="u" * 257), "400 bytes": _event(user_id="ü" * 200),
    "a line feed in an id": _event(user_id="a\nb"), "a zero in an id": _event(video_id="a\x00b"),
    "at_ms in words": _event(at_ms="yesterday"), "half a millisecond": _event(at_ms=NOON + 0.5),
    "true for a number": _event(watched_ms=True), "a text for a number": _event(watched_ms="5"),
    "a list for an id": _event(event_id=[]), "a long event_id": _event(event_id="e" * 300),
    "a rating in words": _event(kind="rate", value="good"), "no rating": _event(kind="rate"),
    "unknown scope": _event(kind="hide", scope="world"), "an impression of no slate": _event(kind="impression"),
    "a number searched": _event(kind="search", query=7), "rank in words": _event(rank="first"),
    "a lone surrogate": _raw(user_id='"\\ud800"'),
    "the last of two keys is wrong": _raw(watched_ms='1,"watched_ms":"5"'), "null for an id": _event(user_id=None),
}  # fmt: skip
OUTSIDE: Mapping[str, bytes] = {
    "watched −1": _event(watched_ms=-1), "watched more than a day": _event(watched_ms=86_400_001),
    "a negative length": _event(duration_ms=-5), "rated 1.5": _event(kind="rate", value=1.5),
    "rated −0.1": _event(kind="rate", value=-0.1), "rank 0": _event(rank=0),
    "no such zone": _event(utc_offset_min=5000),
    "1e999": _raw(watched_ms="1e999"), "23 digits": _raw(watched_ms="99999999999999999999999"),
    "2 to the 63": _raw(watched_ms=str(2**63)), "2 to the 64": _raw(watched_ms=str(2**64)),
}  # fmt: skip
OUT_OF_TIME: Mapping[str, bytes] = {
    "seconds": _event(at_ms=NOON // 1000), "the year 1970": _event(at_ms=0), "before 1970": _event(at_ms=-1),
    "microseconds": _event(at_ms=NOON * 1000), "the year 2096": _event(at_ms=4_000_000_000_000),
}  # fmt: skip
HUGE = b'{"kind":"watch","pad":"' + b"x" * 10_000_000 + b'"}'
TOO_LARGE: Mapping[str, bytes] = {
    "70 kB": _event(session_id="x" * 70_000), "100 kB of nothing": b"x" * 100_000, "1 MB": _event(pad="x" * MEGABYTE),
}  # fmt: skip

FEEDBACK = [
    *(Hostile(name, "decode", value) for name, value in {**UNREADABLE, **UNWRITTEN}.items()),
    *(Hostile(name, "schema", value) for name, value in {**NO_OBJECT, **WRONG}.items()),
    *(Hostile(name, "range", value) for name, value in OUTSIDE.items()),
    *(Hostile(name, "timestamp", value) for name, value in OUT_OF_TIME.items()),
    *(Hostile(name, "too_large", value) for name, value in TOO_LARGE.items()),
    *(Hostile(name, "schema_version", value) for name, value in UNKNOWN.items()),
    Hostile("somebody else's key", "key_mismatch", _event(user_id="trent")),
]
WITH_HEADERS = [
    Hostile("a cloud event of version 2", "schema_version", _event(), headers=(*CLOUD[:1], ("ce_type", b"a.v2"))),
    Hostile("a specversion of 0.3", "schema_version", _event(), headers=(("ce_specversion", b"0.3"),)),
    Hostile("a specversion that is no text", "decode", _event(), headers=(("ce_specversion", b"\xff"),)),
    Hostile("an id that is no text", "decode", _event(), headers=(*CLOUD, ("ce_id", b"\xff\xfe"))),
    Hostile("an id with a line feed", "schema", _event(), headers=(*CLOUD, ("ce_id", b"a\nb"))),
    Hostile(
        "structured, but no envelope", "schema", b"{}", headers=(("content-type", b"application/cloudevents+json"),)
    ),
    Hostile("10,000 headers on no event", "decode", b"{", headers=((("x", b"y"),) * 10_000)),
]
NULL = Hostile("null", "decode", None)
AHEAD = Hostile("ahead of a broker at NOON", "timestamp", _event(at_ms=NOON + FAR))  # fine for a broker of today

# --- uploads --------------------------------------------------------------------------------------

UPLOADS = [
    *(Hostile(name, "decode", value, "v1") for name, value in UNREADABLE.items()),
    *(Hostile(name, "schema", value, "v1") for name, value in NO_OBJECT.items()),
    *(Hostile(name, "schema_version", value, "v1") for name, value in UNKNOWN.items()),
    Hostile("null", "decode", None, "v1"),
    Hostile("unknown kind", "schema", _upload(kind="zap"), "v1"),
    Hostile("no video_id", "schema", _upload(video_id=...), "v1"),
    Hostile("a long video_id", "schema", _upload(video_id="v" * 257), "v1"),
    Hostile("a line feed in an id", "schema", _upload(video_id="a\nb"), "v1"),
    Hostile("nothing to go by", "schema", _upload(title=...), "v1"),
    Hostile("a text for tags", "schema", _upload(tags="food"), "v1"),
    Hostile("101 tags", "schema", _upload(tags=["t"] * 101), "v1"),
    Hostile("a number for a title", "schema", _upload(title=7), "v1"),
    Hostile("a negative length", "range", _upload(duration_ms=-1), "v1"),
    Hostile("more than a day long", "range", _upload(duration_ms=86_400_001), "v1"),
    Hostile("seconds", "timestamp", _upload(at_ms=NOON // 1000), "v1"),
    Hostile("a title of 2 MB", "too_large", _upload(title="x" * 2 * MEGABYTE), "v1"),
    Hostile("somebody else's key", "key_mismatch", _upload(), "v2"),
    Hostile("a withdrawal at no time", "schema", b'{"kind":"withdraw","video_id":"v1"}', "v1"),
]
AHEAD_UPLOAD = Hostile("ahead of a broker at NOON", "timestamp", _upload(at_ms=NOON + FAR), "v1")


def _records() -> Iterator[Hostile]:
    yield NULL
    yield Hostile("10 MB", "too_large", HUGE)
    for number in count():
        yield FEEDBACK[number % len(FEEDBACK)]


RECORDS = list(islice(_records(), 1000))
"""A thousand of them for feedback.v1, without headers."""
