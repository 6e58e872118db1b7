"""Recorded logs: JSON Lines, one message a line, feedback and uploads mixed, told apart by `kind`.

`upload` and `withdraw` belong to uploads.v1, `erasure` to erasures.v1, every other kind to feedback.v1. A line is the
record's value as it is sent, validated as a live record is, so a line is refused for the same reasons. A line of
`freshet record` has the record's key, headers and place around the value (recorded.py).
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from schemas.messages import cloudevents, feedback, lenient, videos
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import Erasure
from schemas.messages.feedback import KIND_OF
from schemas.messages.fields import YEAR_2100_MS
from schemas.topics import ERASURES, FEEDBACK, UPLOADS, Topic
from streams.dead_letters import validation
from streams.kafka.records import Headers, Record
from streams.logs.plain_lines import plain_event
from streams.logs.recorded import record_of, why_not_recorded
from streams.logs.source import BLANK, MAX_LINE_BYTES, open_log
from streams.profiles.erasure import read_erasures

Message = feedback.Feedback | videos.Uploads | Erasure

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DETAIL = 300  # characters of a fault's detail that are shown
NAMED_KIND = re.compile(rb'"kind"\s*:\s*"(upload|withdraw|erasure)"')
FIELD = re.compile(r"\$(?:\.[A-Za-z0-9_.\[\]]+)?|(?<=missing required field )`\w+`")


class Line(NamedTuple):
    """A line that can be used."""

    number: int  # from 1
    topic: Topic
    kind: str
    key: bytes
    at_ms: int
    value: bytes  # of the record, as it is sent
    message: Message
    headers: Headers = ()  # of a recorded line, as they are sent
    time_ms: int = YEAR_2100_MS  # of a recorded line; others have no broker's time: none is too far ahead of that


class Fault(NamedTuple):
    """A line that cannot be used, and why."""

    number: int
    field: str  # "$" for the whole line
    reason: Reason
    detail: str

    @property
    def shown_detail(self) -> str:
        """The detail, cut where it is long: a field's content may stand in it."""
        return self.detail if len(self.detail) <= DETAIL else f"{self.detail[:DETAIL]}…"

    def __str__(self) -> str:
        return f"line {self.number}: {self.field[:DETAIL]}: {self.reason.value}: {self.shown_detail}"


class _Kind(msgspec.Struct):
    kind: str = ""


ERASURE = "erasure"  # kind of a line of erasures.v1, whose messages need none
_kind = msgspec.json.Decoder(_Kind).decode


def read_log(lines: Iterable[bytes]) -> Iterator[Line | Fault]:
    """Read a log line by line; empty lines, byte order marks and what else may lie around a line are skipped."""
    for number, line in enumerate(lines, start=1):
        if value := line.removeprefix(BYTE_ORDER_MARK).strip(BLANK):
            yield _read(number, value)


def _read(number: int, value: bytes) -> Line | Fault:
    if len(value) > MAX_LINE_BYTES:
        return Fault(number, "$", Reason.TOO_LARGE, f"the line is longer than {MAX_LINE_BYTES} bytes")
    if plain := plain_event(value):
        kind = KIND_OF[type(plain)]
        return Line(number, FEEDBACK, kind, plain.user_id.encode(), plain.at_ms, value, plain)
    if not (value := value.strip(BLANK + b"\0")):
        return Fault(
            number, "$", Reason.DECODE, "null bytes alone, as a power cut leaves them where lines were written"
        )
    found = record_of(value)
    if found is None:
        record, partitions = Record(topic_of(value).name, 0, number, YEAR_2100_MS, None, value), 1
    else:
        record, partitions = found
    topic = next((one for one in (UPLOADS, ERASURES, FEEDBACK) if record.topic.endswith(one.name)), None)
    if topic is None:
        return Fault(number, "recorded.topic", Reason.SCHEMA, f"{record.topic} is no topic that a log holds")
    message = _message(topic, record, partitions)
    if isinstance(message, DeadLetter):
        unread = why_not_recorded(value) if found is None else None
        return Fault(number, "recorded", Reason.SCHEMA, unread) if unread else _fault(number, message)
    return _line(number, topic, message, record)


def _message(topic: Topic, record: Record, partitions: int) -> Message | DeadLetter:
    if topic is UPLOADS:
        return validation.read_upload(record)
    if topic is ERASURES:
        validated = read_erasures([record], partitions)
        found: list[Message | DeadLetter] = [*validated.erasures, *validated.dead_letters]
    else:
        arrivals, letters, _ = validation.read_feedback([record], partitions)
        found = [*(arrival.event for arrival in arrivals), *letters]
    if found:
        return found[0]
    detail = f"partition {record.partition} is not that of the key; what was sent on from there counts"
    return validation.dead_letter(record, Reason.KEY_MISMATCH, detail)


def topic_of(value: bytes) -> Topic:
    """Which topic a message belongs to; what cannot be read belongs where its kind, where it names one, would.

    >>> topic_of(b'{"kind":"withdraw","video_id":"v7"}').name, topic_of(b'{"kind":"like"}').name
    ('uploads.v1', 'feedback.v1')
    """
    try:
        data, _ = cloudevents.unwrap(value, {})
        kind = _kind(data).kind
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        named = NAMED_KIND.search(value)
        kind = lenient.kind_of(value) or (named[1].decode() if named else "")
    if kind == ERASURE:
        return ERASURES
    return UPLOADS if kind in videos.KINDS else FEEDBACK


def _line(number: int, topic: Topic, message: Message, record: Record) -> Line:
    kind = str(message.__struct_config__.tag or ERASURE)
    key = message.video_id if isinstance(message, videos.Uploads) else message.user_id
    headers = tuple(one for one in record.headers if one[0] != validation.ORIGIN)  # a place in another system's topic
    return Line(
        number, topic, kind, key.encode(), message.at_ms, record.value or b"", message, headers, record.timestamp
    )


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


def _messages(log: Path) -> list[Message]:
    with open_log(log) as source:
        return [line.message for line in read_log(source.lines()) if isinstance(line, Line)]
