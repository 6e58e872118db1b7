"""Recorded logs: JSON Lines, one message a line, feedback and uploads mixed, told apart by `kind`.

`upload` and `withdraw` belong to uploads.v1, `erasure` to erasures.v1, every other kind to feedback.v1. A line is the
record's value as it is sent, validated as a live record is, so a line is refused for the same reasons.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from schemas.messages import cloudevents, feedback, videos
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import Erasure
from schemas.messages.fields import YEAR_2100_MS
from schemas.topics import ERASURES, FEEDBACK, UPLOADS, Topic
from streams.dead_letters import validation
from streams.profiles.erasure import read_erasures

FIELD = re.compile(r"\$(?:\.[A-Za-z0-9_.\[\]]+)?|(?<=missing required field )`\w+`")


class Line(NamedTuple):
    """A line that can be used."""

    number: int  # from 1
    topic: Topic
    kind: str
    key: bytes
    at_ms: int
    value: bytes  # as it stands in the file
    message: feedback.Feedback | videos.Uploads | Erasure


class Fault(NamedTuple):
    """A line that cannot be used, and why."""

    number: int
    field: str  # "$" for the whole line
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.field}: {self.reason.value}: {self.detail}"


class _Record(NamedTuple):
    """A line in the shape of a Kafka record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class _Kind(msgspec.Struct):
    kind: str = ""


ERASURE = "erasure"  # kind of a line of erasures.v1, whose messages need none
_kind = msgspec.json.Decoder(_Kind).decode


def read_log(lines: Iterable[bytes]) -> Iterator[Line | Fault]:
    """Read a log line by line; empty lines are passed over."""
    for number, line in enumerate(lines, start=1):
        if value := line.strip():
            yield _read(number, value)


def _read(number: int, value: bytes) -> Line | Fault:
    topic = topic_of(value)
    # No broker has seen the line: only a time that no clock of this century shows is too far ahead.
    record = _Record(topic.name, 0, number, YEAR_2100_MS, None, value)
    if topic is UPLOADS:
        video = validation.read_upload(record)
        if isinstance(video, DeadLetter):
            return _fault(number, video)
        return _line(number, topic, video, video.video_id, value)
    if topic is ERASURES:
        found = read_erasures([record], partitions=1)
        if found.letters:
            return _fault(number, found.letters[0])
        return _line(number, topic, found.erasures[0], found.erasures[0].user_id, value)
    reading = validation.read_feedback([record], partitions=1)
    if reading.letters:
        return _fault(number, reading.letters[0])
    event = reading.arrivals[0].event
    return _line(number, topic, event, event.user_id, value)


def topic_of(value: bytes) -> Topic:
    """Which topic a message belongs to; what cannot be read counts as feedback.

    >>> topic_of(b'{"kind":"withdraw","video_id":"v7"}').name, topic_of(b'{"kind":"like"}').name
    ('uploads.v1', 'feedback.v1')
    """
    try:
        data, _ = cloudevents.unwrap(value, {})
        kind = _kind(data).kind
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        return FEEDBACK
    if kind == ERASURE:
        return ERASURES
    return UPLOADS if kind in videos.KINDS else FEEDBACK


def _line(
    number: int, topic: Topic, message: feedback.Feedback | videos.Uploads | Erasure, key: str, value: bytes
) -> Line:
    kind = str(message.__struct_config__.tag or ERASURE)
    return Line(number, topic, kind, key.encode(), message.at_ms, value, message)


def _fault(number: int, letter: DeadLetter) -> Fault:
    named = FIELD.search(letter.detail)
    field = named[0].strip("`") if named else "$"
    return Fault(number, field.removeprefix("$.") or "$", letter.reason, letter.detail)


def messages(log: Path, topic: Topic) -> list[Any]:
    """What a log says for one topic, as far as it can be used."""
    with log.open("rb") as lines:
        return [line.message for line in read_log(lines) if not isinstance(line, Fault) and line.topic is topic]
