"""Recorded logs: JSON Lines, one message a line, feedback and uploads mixed, told apart by `kind`.

`upload` and `withdraw` belong to uploads.v1, `erasure` to erasures.v1, every other kind to feedback.v1. A line is the
record's value as it is sent, validated as a live record is, so a line is refused for the same reasons.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from schemas.messages import cloudevents, feedback, lenient, videos
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import Erasure
from schemas.messages.fields import YEAR_2100_MS
from schemas.topics import ERASURES, FEEDBACK, UPLOADS, Topic
from streams.dead_letters import validation
from streams.kafka.records import Record
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


class _Kind(msgspec.Struct):
    kind: str = ""


ERASURE = "erasure"  # kind of a line of erasures.v1, whose messages need none
_kind = msgspec.json.Decoder(_Kind).decode


def read_log(lines: Iterable[bytes]) -> Iterator[Line | Fault]:
    """Read a log line by line; empty lines are skipped."""
    for number, line in enumerate(lines, start=1):
        if value := line.strip():
            yield _read(number, value)


def _read(number: int, value: bytes) -> Line | Fault:
    topic = topic_of(value)
    # The line has no broker's time: only a time after this century is too far ahead.
    record = Record(topic.name, 0, number, YEAR_2100_MS, None, value)
    if topic is UPLOADS:
        video = validation.read_upload(record)
        if isinstance(video, DeadLetter):
            return _fault(number, video)
        return _line(number, topic, video, video.video_id, value)
    if topic is ERASURES:
        found = read_erasures([record], partitions=1)
        if found.dead_letters:
            return _fault(number, found.dead_letters[0])
        return _line(number, topic, found.erasures[0], found.erasures[0].user_id, value)
    validated = validation.read_feedback([record], partitions=1)
    if validated.dead_letters:
        return _fault(number, validated.dead_letters[0])
    event = validated.arrivals[0].event
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
        kind = lenient.kind_of(value)
    if kind == ERASURE:
        return ERASURES
    return UPLOADS if kind in videos.KINDS else FEEDBACK


def _line(
    number: int, topic: Topic, message: feedback.Feedback | videos.Uploads | Erasure, key: str, value: bytes
) -> Line:
    kind = str(message.__struct_config__.tag or ERASURE)
    return Line(number, topic, kind, key.encode(), message.at_ms, value, message)


def _fault(number: int, dead_letter: DeadLetter) -> Fault:
    named = FIELD.search(dead_letter.detail)
    field = named[0].strip("`") if named else "$"
    return Fault(number, field.removeprefix("$.") or "$", dead_letter.reason, dead_letter.detail)


def uploads_in(log: Path) -> list[videos.Uploads]:
    """The uploads and withdrawals of a log, without lines that cannot be used."""
    return [message for message in _messages(log) if isinstance(message, videos.Uploads)]


def feedback_in(log: Path) -> list[feedback.Feedback]:
    """The feedback of a log, without lines that cannot be used."""
    return [message for message in _messages(log) if isinstance(message, feedback.Feedback)]


def _messages(log: Path) -> list[feedback.Feedback | videos.Uploads | Erasure]:
    with log.open("rb") as lines:
        return [line.message for line in read_log(lines) if isinstance(line, Line)]
