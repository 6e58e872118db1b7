"""Dead letters: what could not be used and why, as headers and original bytes on dead-letters.v1."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

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


class Explanation(NamedTuple):
    """What a publisher needs to know of a reason."""

    cause: str
    remedy: str


EXPLAINED = {
    Reason.DECODE: Explanation(
        "the value is null, empty, not UTF-8 or not JSON; or the batch could not be read (then without key and value)",
        "publish one JSON object a record; Kafka Connect: `JsonConverter` with `schemas.enable=false`",
    ),
    Reason.SCHEMA: Explanation(
        "a field is missing or has another type, a text is too long, an id holds a control character, the `kind` is "
        "unknown, or an upload has nothing to go by",
        "correct the field that `detail` names; validate against the JSON Schema before you publish",
    ),
    Reason.RANGE: Explanation(
        "a number is outside its bounds",
        "correct the field that `detail` names; the units are milliseconds and shares from 0 to 1",
    ),
    Reason.TIMESTAMP: Explanation(
        "`at_ms` lies too far ahead of the broker's clock, or before 2000 or after 2100: seconds or microseconds",
        "send Unix milliseconds; synchronise the clock, or take the server's time instead of the phone's",
    ),
    Reason.LATE: Explanation(
        "the event is older than its person's newest one by more than `late_ms`; the upload is older than its video's "
        "newest record by more than clocks may differ",
        "an event: publish sooner, or raise `FRESHET_LATE_MS` before a backlog is published; an upload: send it with "
        "the present time",
    ),
    Reason.TOO_LARGE: Explanation("the value has more bytes than allowed", "shorten texts; media travel by address"),
    Reason.KEY_MISMATCH: Explanation(
        "the record's key is not its `user_id` or `video_id`, byte by byte; or it was sent on and is on a wrong "
        "partition again",
        "use the id itself as UTF-8 for the key, without quotes; Kafka Connect: `StringConverter` for keys",
    ),
    Reason.SCHEMA_VERSION: Explanation(
        "a schema registry's format (the first byte is 0), a CloudEvents version other than 1.0, or an event type of "
        "another major version",
        "publish plain JSON without a registry's serializer; `specversion` 1.0, a type without a version or with `.v1`",
    ),
    Reason.MEDIA: Explanation(
        "a media file could not be fetched, is too large, or cannot be decoded; the video is embedded by the rest",
        "correct what `detail` names, and publish the upload again",
    ),
    Reason.URL_FORBIDDEN: Explanation(
        "the address is on no host that may be fetched from, or leads out of the folder that may be read; the video is "
        "embedded by the rest",
        "add the host to `FRESHET_MEDIA_HOSTS`, or put the file below `FRESHET_MEDIA_ROOT`; publish the upload again",
    ),
    Reason.ERASED: Explanation(
        "the event is not newer than its person's erasure; key and value are left out",
        "none: the person asked for it. Events after the erasure count",
    ),
    Reason.INTERNAL: Explanation(
        "a record of Freshet's own topics is damaged",
        "report it; the person's next event makes a new profile record",
    ),
}


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


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that was dealt with: where it lies, when it was written there and why, and what was done."""

    partition: Annotated[int, msgspec.Meta(ge=0)]
    offset: Annotated[int, msgspec.Meta(ge=0)]
    written_ms: int  # tells it from one at the same place of a topic that was made again
    reason: str
    done: Literal["discarded", "replayed"]

    @property
    def key(self) -> str:
        """The key of its record."""
        return f"{self.partition}@{self.offset}"


decode_handled = msgspec.json.Decoder(Handled).decode
encode_handled = msgspec.json.Encoder(order="deterministic").encode


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
