"""Slates: what Freshet answers on recommendations.v1, keyed by user_id."""

from hashlib import sha1
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from schemas.messages.fields import AtMs, Id, Share, UserId, VideoId

SLATE_LIFE_MS = 30 * 60 * 1000  # expires_at_ms = trigger.at_ms + this
SOURCE_OFFSET = "freshet-source-offset"  # header of a slate: offset of the profiles.v1 record that it answers
SOURCE_TOPIC_ID = "freshet-source-topic-id"  # header: the id of the topic of that offset
NAMESPACE = UUID("33f208e2-48f1-5424-9e1a-adf8ff447818")  # of recommendation ids; never changes


NonNegativeInt = Annotated[int, Meta(ge=0)]


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


decode_recommendation = msgspec.json.Decoder(Recommendation).decode
encode = msgspec.json.Encoder().encode
to_builtins = msgspec.to_builtins


_NAMED = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # RFC 9562


def recommendation_id(user_id: str, version: int) -> str:
    """UUIDv5 of a person and a profile version, so that a slate made again has the same id.

    Written out because `uuid.uuid5` builds an object that is not needed here.

    >>> from uuid import uuid5
    >>> recommendation_id("u42", 1842) == str(uuid5(NAMESPACE, "u42:1842"))
    True
    """
    digest = _NAMED.copy()
    digest.update(f"{user_id}:{version}".encode())
    h = digest.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"
