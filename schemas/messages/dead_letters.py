"""Dead letters: what could not be used and why, as headers and original bytes on dead-letters.v1."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

LETTER_BYTES = 65_536  # a dead letter carries this much of the original
ATTEMPTS = "freshet-attempts"  # header of a re-published record: the number of the attempt
KEPT = ("content-type", "ce_specversion", "ce_type", "ce_id")  # headers without which a value reads differently
KEPT_BYTES = 1024  # of each


class Reason(StrEnum):
    """Why a record could not be used: the closed list of the dead letters' `reason` header."""

    DECODE = "decode"
    SCHEMA = "schema"
    RANGE = "range"
    TIMESTAMP = "timestamp"
    LATE = "late"
    TOO_LARGE = "too_large"
    KEY_MISMATCH = "key_mismatch"
    SCHEMA_VERSION = "schema_version"
    MEDIA = "media"
    URL_FORBIDDEN = "url_forbidden"
    ERASED = "erased"
    INTERNAL = "internal"


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


def letter_headers(letter: DeadLetter, freshet_version: str) -> list[tuple[str, bytes]]:
    """The Kafka headers of a dead letter, followed by those headers of the original that its value needs."""
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
    """The number of attempts at a record, from its header.

    >>> [attempts_of(header) for header in (b"3", b"", b"-3", b"9" * 5000)]
    [3, 1, 1, 1]
    """
    return int(header) if header.isdigit() and len(header) <= 9 else 1
