"""CloudEvents 1.0 on Kafka, binary and structured mode, brought to Freshet's plain JSON.

Reference: CloudEvents Kafka protocol binding 1.0.2. `ce_id` becomes the event id, unless the data has one.
"""

import re
from collections.abc import Mapping

import msgspec

STRUCTURED = b"application/cloudevents+json"
MARK = b'"specversion"'  # stands in every structured-mode event
VERSION = re.compile(r"\.v(\d+)$")  # the major version at the end of a type


class UnknownVersion(ValueError):
    """A version of the envelope or of the event type that this release does not read."""


class Envelope(msgspec.Struct, frozen=True):
    """A structured-mode event; unknown attributes are ignored."""

    specversion: str
    id: str
    type: str
    data: msgspec.Raw


_decode = msgspec.json.Decoder(Envelope).decode


def unwrap(value: bytes, headers: Mapping[str, bytes]) -> tuple[bytes, str | None]:
    """Give the data and the event id of a record; plain JSON comes back as it is, without an id.

    Raises `UnknownVersion`, and msgspec's errors for a damaged envelope.

    >>> unwrap(b'{"kind": "like"}', {"ce_specversion": b"1.0", "ce_id": b"e-1", "ce_type": b"freshet.like.v1"})
    (b'{"kind": "like"}', 'e-1')
    """
    if "ce_specversion" in headers:
        check_version(headers["ce_specversion"].decode(), headers.get("ce_type", b"").decode())
        return value, headers.get("ce_id", b"").decode() or None
    if is_structured(headers) or (MARK in value and b'"data"' in value):
        envelope = _decode(value)
        check_version(envelope.specversion, envelope.type)
        return bytes(envelope.data), envelope.id
    return value, None


def is_structured(headers: Mapping[str, bytes]) -> bool:
    """Whether the headers say that the value is an envelope."""
    return headers.get("content-type", b"").startswith(STRUCTURED)


def check_version(specversion: str, kind: str) -> None:
    """Raise UnknownVersion for another version of the envelope, or of the type, than 1."""
    if specversion != "1.0":
        raise UnknownVersion(f"specversion {specversion!r} is not 1.0")
    major = VERSION.search(kind)
    if major and major[1] != "1":
        raise UnknownVersion(f"type {kind!r} is of major version {major[1]}; this topic carries version 1")
