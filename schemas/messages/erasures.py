"""Erasures: the request on erasures.v1, and the marker that is kept of an erased person on erased.v1."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.messages.fields import AtMs, UserId

ERASURE_OFFSET = "freshet-erasure-offset"  # header of a tombstone: the offset of the erasure that it answers


class ErasureMarker(msgspec.Struct, frozen=True, gc=False):
    """What is kept of an erased person, under a keyed hash of their id; later versions are above `version`."""

    at_ms: AtMs
    version: Annotated[int, Meta(ge=1)]


decode_marker = msgspec.json.Decoder(ErasureMarker).decode


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Forget a person: everything at or before `at_ms`."""

    user_id: UserId
    at_ms: Annotated[AtMs, Meta(description="events at or before this time are forgotten and refused, Unix ms UTC")]


decode_erasure = msgspec.json.Decoder(Erasure).decode
encode = msgspec.json.Encoder().encode
