"""What Freshet answers: slates on recommendations.v1, trends on trends.v1, dead letters on dead-letters.v1."""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha1
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from schemas.types import YEAR_2100_MS, AtMs, Id, Share, UserId, VideoId

SLATE_LIFE_MS = 30 * 60 * 1000  # expires_at_ms = trigger.at_ms + this
SOURCE_OFFSET = "freshet-source-offset"  # header of a slate: offset of the profiles.v1 record that it answers
NAMESPACE = UUID("33f208e2-48f1-5424-9e1a-adf8ff447818")  # of recommendation ids; never changes
LETTER_BYTES = 65_536  # a dead letter carries this much of the original
ATTEMPTS = "freshet-attempts"  # header of a record that was sent again: how often it is tried by that
KEPT = ("content-type", "ce_specversion", "ce_type", "ce_id")  # headers without which a value reads differently
KEPT_BYTES = 1024  # of each


Whole = Annotated[int, Meta(ge=0)]
Second = Annotated[int, Meta(ge=0, le=YEAR_2100_MS // 1000)]
Count = Annotated[int, Meta(ge=0, le=2**56)]  # so that those of a hundred partitions add up in 63 bits


class Reason(StrEnum):
    """Why a record could not be used: the closed list of the dead letters' `reason` header."""

    DECODE = "decode"
    SCHEMA = "schema"
    RANGE = "range"
    TIMESTAMP = "timestamp"
    LATE = "late"
    TOO_LARGE = "too_large"
    KEY_MISMATCH = "key_mismatch"
    UNKNOWN_VIDEO = "unknown_video"
    SCHEMA_VERSION = "schema_version"
    MEDIA = "media"
    URL_FORBIDDEN = "url_forbidden"
    ERASED = "erased"
    INTERNAL = "internal"


class Because(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One reason for an item: a code, what it refers to, and its share of the score."""

    code: str
    weight: float
    video_id: VideoId | None = None


class Item(msgspec.Struct, frozen=True, gc=False):
    """One place of a slate; `score` compares inside one slate only."""

    rank: Annotated[int, Meta(ge=1)]
    video_id: VideoId
    score: float
    p: dict[str, Share]
    propensity: Annotated[float, Meta(gt=0.0, le=1.0)]
    sources: list[str]
    reasons: list[Because]


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """The newest event that a slate takes into account."""

    event_id: Id | None
    topic: str
    partition: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0)]
    at_ms: AtMs


class Recommendation(msgspec.Struct, frozen=True, gc=False):
    """A slate as consumers read it; an unknown field is no error."""

    schema_version: str
    recommendation_id: Id
    user_id: UserId
    version: Annotated[int, Meta(ge=1)]
    generated_at_ms: int
    expires_at_ms: int
    trigger: Trigger
    models: dict[str, str]
    timings_ms: dict[str, float]
    degraded: list[str]
    items: Annotated[list[Item], Meta(min_length=1)]
    exhausted: bool


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """Decayed counts of distinct people per video of one profiles partition, at one tick.

    `counts` maps a video to [this period, the period before, ever]. The first two grow by 2**(age/half-life)
    fixed-point steps (forward decay), so that partitions add up exactly.
    """

    partition: Whole
    tick: Second  # of event time
    period: Second
    counts: dict[VideoId, tuple[Count, Count, Count]]
    applied: dict[Whole, int] = {}  # input partition → offset that is counted


class Floor(msgspec.Struct, frozen=True, gc=False):
    """What is kept of an erased person, under a keyed hash of their id; a new life's versions are above `version`."""

    at_ms: AtMs
    version: Annotated[int, Meta(ge=1)]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be used, with its place and the reason."""

    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes | None]] = ()  # of the original


decode_recommendation = msgspec.json.Decoder(Recommendation).decode
decode_trends = msgspec.json.Decoder(Trends).decode
decode_floor = msgspec.json.Decoder(Floor).decode
encode = msgspec.json.Encoder().encode
to_builtins = msgspec.to_builtins


def letter_headers(letter: DeadLetter, freshet_version: str) -> list[tuple[str, bytes]]:
    """Kafka headers of a dead letter, as contracts name them; behind them those of the original that it needs."""
    original = {name: value for name, value in letter.headers if value is not None}
    fields = {
        "reason": letter.reason.value,
        "detail": letter.detail[:1000],
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "at_ms": letter.at_ms,
        "attempts": attempts_of(original.get(ATTEMPTS, b"")),
        "freshet_version": freshet_version,
    }
    ours = [(name, str(value).encode("utf-8", "replace")) for name, value in fields.items()]
    if letter.reason is Reason.ERASED:
        return ours  # an id may name the person
    return ours + [(name, value) for name in KEPT if 0 < len(value := original.get(name, b"")) <= KEPT_BYTES]


def attempts_of(header: bytes) -> int:
    """How often a record has been tried, by its header.

    >>> [attempts_of(header) for header in (b"3", b"", b"-3", b"9" * 5000)]
    [3, 1, 1, 1]
    """
    return int(header) if header.isdigit() and len(header) <= 9 else 1


_NAMED = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # RFC 9562


def recommendation_id(user_id: str, version: int) -> str:
    """UUIDv5 of a person and a profile version, so that a slate made again has the same id.

    Written out because `uuid.uuid5` builds an object that nobody needs here.

    >>> from uuid import uuid5
    >>> recommendation_id("u42", 1842) == str(uuid5(NAMESPACE, "u42:1842"))
    True
    """
    digest = _NAMED.copy()
    digest.update(f"{user_id}:{version}".encode())
    h = digest.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"
