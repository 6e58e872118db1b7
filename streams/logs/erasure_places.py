"""Where erasures took effect, as their markers say it."""

import msgspec

from ranker.profile.erasure import GAP
from schemas.messages.erasures import decode_marker
from streams.kafka.owned_state import text_of
from streams.kafka.records import Record
from streams.logs.pending_erasures import NOT_KNOWN, TookEffect
from streams.profiles.erasure import LAST_BEFORE


class TookEffectByCode:
    """Offsets of the last event before each erasure, by the keyed hash of the person's id."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, int]] = {}
        self._last: dict[str, int] = {}

    def of(self, code: str) -> TookEffect:
        """What is known of a person's erasures."""
        return self._known.get(code, NOT_KNOWN)

    def add(self, record: Record) -> None:
        """Take in a record of erased.v1; one without the header changes nothing here."""
        last = dict(record.headers).get(LAST_BEFORE)
        if last is None or not last.removeprefix(b"-").isdigit():
            return
        try:
            marker = decode_marker(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        code, offset = text_of(record.key), int(last)
        if offset < 0 and marker.version > GAP:  # not known, or nothing since the erasure before it, wherever that was
            if code not in self._last:
                return
            offset = self._last[code]
        self._last[code] = offset
        self._known.setdefault(code, {})[marker.at_ms] = offset
