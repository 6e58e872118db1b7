"""Reading erasures, and the dead letters of events that an erasure refuses."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from ranker.profile.fold import Arrival
from schemas.messages import lenient
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.erasures import ERASURE_OFFSET, Erasure, decode_erasure
from streams.dead_letters import validation
from streams.dead_letters.validation import RejectedRecord, dead_letter
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record, partition_of

ERASURE_BYTES = 4096
LAST_BEFORE = "freshet-applied"  # header of a marker: offset of the last record of feedback taken before it; -1: none


class ValidatedErasures(NamedTuple):
    """What a batch of erasures.v1 turned out to be."""

    erasures: list[Erasure]
    offsets: list[int]  # of these erasures
    dead_letters: list[DeadLetter]
    misrouted: list[Outgoing]  # on the wrong partition: to be sent on by key


def read_erasures(records: Iterable[Record], partitions: int) -> ValidatedErasures:
    """Read a batch of erasures.v1; the topic has so many partitions. Never raises on what a record holds."""
    validated = ValidatedErasures([], [], [], [])
    for record in records:
        try:
            erasure = _erasure(record)
            if partition_of(erasure.user_id.encode(), partitions) == record.partition:
                validated.erasures.append(erasure)
                validated.offsets.append(record.offset)
            else:
                validated.misrouted.append(validation.reroute(record, erasure.user_id))
        except RejectedRecord as why:
            validated.dead_letters.append(dead_letter(record, why.reason, why.detail))
    return validated


def tombstone(user_id: str, offset: int) -> Outgoing:
    """The null value of a person who was erased by the erasure at this offset."""
    return Outgoing(user_id.encode(), None, [(ERASURE_OFFSET, str(offset).encode())])


def erasure_offset_of(record: Record) -> int:
    """Offset of the erasure that a tombstone answers; -1 where recovery wrote it, which answers none."""
    value = dict(record.headers).get(ERASURE_OFFSET) or b""
    return int(value) if value.isdigit() else -1


def erased_dead_letters(records: Sequence[Record], erased: Iterable[Arrival]) -> list[DeadLetter]:
    """Dead letters for events at or before their person's erasure: place and reason, and nothing of the person."""
    offsets = {arrival.offset for arrival in erased}
    if not offsets:
        return []
    detail = "$.at_ms is not after this person's erasure; key and value are left out"
    mine = [record for record in records if record.offset in offsets]
    letters = (dead_letter(record, Reason.ERASED, detail) for record in mine)
    return [msgspec.structs.replace(one, key=None, value=b"", headers=()) for one in letters]


def _erasure(record: Record) -> Erasure:
    erasure, _ = validation.decoded(record, decode_erasure, ERASURE_BYTES, Erasure)
    validation.check_ids(user_id=erasure.user_id)
    validation.check_time(record, erasure.at_ms)
    if record.key is not None and record.key != erasure.user_id.encode():
        raise RejectedRecord(Reason.KEY_MISMATCH, lenient.why_other_key(record.key, "user_id", erasure.user_id))
    return erasure
