"""Whether a dead letter can be used when it is sent again: judged by the validation that the agents use."""

import re
import time
from collections.abc import Callable

from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, Reason
from schemas.settings.model import Settings
from schemas.topics import ERASURES, FEEDBACK, UPLOADS
from streams.dead_letters.store import StoredDeadLetter
from streams.dead_letters.validation import RejectedRecord, read_event, read_upload
from streams.kafka.records import Record
from streams.profiles.erasure import read_erasures

LATE_MS = re.compile(r"late_ms, (\d{1,15})$")  # in the detail of an event that came too late: what was allowed then


def why_not_again(one: StoredDeadLetter, settings: Settings, now_ms: int) -> str | None:
    """Why the very bytes of a dead letter cannot succeed, or None."""
    if len(one.value) >= LETTER_BYTES or len(one.key or b"") >= LETTER_BYTES:
        return f"cut at {LETTER_BYTES} bytes"
    if not one.value:
        return "nothing was kept of it"
    return why_not_valid(one, settings, now_ms) or why_still_late(one, settings)


def why_not_valid(one: StoredDeadLetter, settings: Settings, now_ms: int) -> str | None:
    """Why the agent of its topic would make a dead letter of it at once, or None; `one` may have been corrected."""
    check = CHECKS.get(one.topic.removeprefix(settings.prefix)) if one.topic.startswith(settings.prefix) else None
    if check is None:
        return "its topic takes no messages of others"
    refused = check(Record(one.topic, 0, 0, now_ms, one.key, one.value, one.kept))
    return f"{refused.reason}: {refused.detail}" if refused else None


def why_still_late(one: StoredDeadLetter, settings: Settings) -> str | None:
    """Why what came too late does so again, or None: what is newest of a person or a video only grows."""
    if one.reason != Reason.LATE:
        return None
    if one.topic == UPLOADS.full(settings.prefix):
        return "late: its video has a newer upload or withdrawal"
    allowed = LATE_MS.search(one.detail)
    if allowed and settings.late_ms <= int(allowed[1]):
        return f"late: its person has newer events, and FRESHET_LATE_MS is no longer than {allowed[1]} as it was then"
    return None


def _of_feedback(record: Record) -> DeadLetter | RejectedRecord | None:
    try:
        read_event(record)
    except RejectedRecord as refused:
        return refused
    return None


def _of_uploads(record: Record) -> DeadLetter | None:
    found = read_upload(record)
    return found if isinstance(found, DeadLetter) else None


def _of_erasures(record: Record) -> DeadLetter | None:
    return next(iter(read_erasures([record], partitions=1).dead_letters), None)


CHECKS: dict[str, Callable[[Record], DeadLetter | RejectedRecord | None]] = {
    FEEDBACK.name: _of_feedback,
    UPLOADS.name: _of_uploads,
    ERASURES.name: _of_erasures,
}


def now_ms() -> int:
    """By which a record that is sent now is judged."""
    return time.time_ns() // 1_000_000
