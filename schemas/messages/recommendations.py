"""Slates: what Freshet answers on recommendations.v1, keyed by user_id."""

from hashlib import sha1
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from schemas.messages.fields import AtMs, Id, Share, UserId, VideoId

SLATE_LIFE_MS = 30 * 60 * 1000  # expires_at_ms is this after the later of the trigger's time and its profile's record
SOURCE_OFFSET = "freshet-source-offset"  # header of a slate: offset of the profiles.v1 record that it answers
SOURCE_TOPIC_ID = "freshet-source-topic-id"  # header: the id of the topic of that offset
NAMESPACE = UUID("33f208e2-48f1-5424-9e1a-adf8ff447818")  # of recommendation ids; never changes


NonNegativeInt = Annotated[int, Meta(ge=0)]


class Because(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One reason for an item: a code, what it refers to, and its share of the score."""

    code: Annotated[
        str, Meta(description="why, as the feed's table names it; an open list: take an unknown code for none")
    ]
    weight: Annotated[float, Meta(description="its share of what speaks for the item, 0 to 1")]
    video_id: Annotated[VideoId | None, Meta(description="the video that the code refers to, for similar_to")] = None


class Item(msgspec.Struct, frozen=True, gc=False):
    """One place of a slate; `score` compares inside one slate only."""

    rank: Annotated[int, Meta(ge=1, description="the place, from 1 without gaps; the order to show")]
    video_id: VideoId
    score: Annotated[float, Meta(description="compares inside one slate only; diversity may part the ranks from it")]
    p: Annotated[
        dict[str, Share],
        Meta(description="probability by outcome; an open list, of which a feed without a model has none"),
    ]
    propensity: Annotated[
        float, Meta(gt=0.0, le=1.0, description="chance with which the video got this place; 1 where nothing was drawn")
    ]
    sources: Annotated[
        list[str], Meta(description="what proposed the video; an open list: feeds of your own add theirs")
    ]
    reasons: Annotated[list[Because], Meta(description="why it is here, the greatest share first; two at most")]


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """The newest event that a slate takes into account."""

    event_id: Annotated[Id | None, Meta(description="the event's own id, where it had one")]
    topic: Annotated[str, Meta(description="full name of the topic")]
    partition: Annotated[int, Meta(ge=0, description="of that topic")]
    offset: Annotated[
        int,
        Meta(
            ge=-1,
            description="in that partition: all accepted events up to it are taken into account; -1: none is, as in a "
            "slate that the HTTP API makes for a person without a history",
        ),
    ]
    at_ms: AtMs


class Recommendation(msgspec.Struct, frozen=True, gc=False):
    """A slate as consumers read it; an unknown field is no error."""

    schema_version: Annotated[str, Meta(description="1.x: within 1 fields are only added")]
    recommendation_id: Annotated[Id, Meta(description="UUIDv5 of person and version; to be echoed by events")]
    user_id: UserId
    version: Annotated[
        int,
        Meta(
            ge=0,
            description="grows with every event that counts; the highest of a person counts; 0: without a history",
        ),
    ]
    generated_at_ms: Annotated[int, Meta(description="when it was made, Unix ms UTC by the ranker's clock")]
    expires_at_ms: Annotated[int, Meta(description="do not show it from this time on, Unix ms UTC")]
    trigger: Annotated[Trigger, Meta(description="the newest event that it takes into account, by arrival")]
    models: Annotated[dict[str, str], Meta(description="version by part (ranker, encoder, policy); an open list")]
    timings_ms: Annotated[dict[str, float], Meta(description="where the time went, ms by stage; an open list")]
    degraded: Annotated[list[str], Meta(description="what was missing when it was made; empty: nothing")]
    items: Annotated[list[Item], Meta(min_length=1, description="in the order of their ranks, no video twice")]
    exhausted: Annotated[bool, Meta(description="true: no more videos may be shown to this person than these")]


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
