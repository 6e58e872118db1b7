"""The lines that nearly every log consists of, read quickly: bare events in plain JSON."""

import re

import msgspec

from schemas.messages import cloudevents, feedback
from streams.dead_letters.validation import FEEDBACK_BYTES
from streams.logs.recorded import MARK

KIND = re.compile(rb'\{"kind": ?"([a-z]+)",')  # as a log's lines begin
KINDS = frozenset(kind.encode() for kind in feedback.KIND_OF.values())


def plain_event(value: bytes) -> feedback.Feedback | None:
    """The event of a line; None for a line that needs more than a look, which may be good or bad."""
    kind = KIND.match(value)
    if kind is None or kind[1] not in KINDS or value.count(b'"kind"') > 1 or len(value) > FEEDBACK_BYTES:
        return None
    if MARK in value or cloudevents.MARK in value:
        return None
    try:
        event = feedback.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    ids = f"{event.user_id}{event.video_id}{event.event_id}"
    return event if ids.isascii() and ids.isprintable() else None
