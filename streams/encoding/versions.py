"""Which record of a video counts: by its place in the log, within what clocks may differ; by its time beyond that."""

from typing import NamedTuple

import msgspec

from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.fields import YEAR_2100_MS
from schemas.messages.videos import CatalogueRecord, Upload, Uploads, Withdraw, decode_stored
from streams.dead_letters.validation import FUTURE_MS, dead_letter, first_written_ms
from streams.kafka.records import Record

NO_PLACE = -1  # partition and offset of what was not read from Kafka: a backfill's, or an earlier release's


class StoredVersion(msgspec.Struct, frozen=True, gc=False):
    """What the newest record of a video in features.v1 says of its order."""

    at_ms: int  # never falls from a record of a video to its next
    partition: int = NO_PLACE
    offset: int = NO_PLACE
    written_ms: int = 0  # the broker's time of the upload or withdrawal; 0: unknown
    is_withdrawal: bool = False

    @property
    def happened_ms(self) -> int:
        """Its event time; nothing happens after the broker has it, whatever a clock says."""
        return min(self.at_ms, self.written_ms or self.at_ms)

    @property
    def order(self) -> tuple[int, int]:
        """By which of two records of a video in features.v1 the newer one is known."""
        return self.at_ms, self.offset


class Accepted(NamedTuple):
    """An upload or withdrawal that counts; `one.at_ms` is not below that of the record that it replaces."""

    one: Uploads
    version: StoredVersion
    sent_at_ms: int  # as its creator wrote it

    def stamped(self, made: CatalogueRecord) -> CatalogueRecord:
        """The catalogue's record of it, with its place."""
        at = self.version
        source = {"partition": at.partition, "offset": at.offset, "written_ms": at.written_ms}
        if self.sent_at_ms != self.version.at_ms:
            source["at_ms"] = self.sent_at_ms
        return msgspec.structs.replace(made, source=source)


def stored_version(data: bytes) -> StoredVersion:
    """The version of a record of features.v1, without its vectors being read."""
    stored = decode_stored(data)
    get = stored.source.get
    return StoredVersion(
        stored.at_ms,
        get("partition", NO_PLACE),
        get("offset", NO_PLACE),
        get("written_ms", 0),
        stored.kind == "withdrawn",
    )


def judge(record: Record, one: Uploads, known: StoredVersion | None) -> Accepted | DeadLetter | None:
    """Whether a record counts after what is known of its video; None where it was read before the known one was.

    Within a partition the later record counts, unless its time is older by more than clocks may differ. Then it was
    held up on its way, as are records that were sent on from another partition: those count by the broker's time.
    """
    written_ms = first_written_ms(record)
    if known is None:
        return _accepted(record, one, written_ms, one.at_ms)
    is_here = record.partition == known.partition
    if is_here and record.offset <= known.offset and written_ms <= known.written_ms:
        return _accepted(record, one, written_ms, known.at_ms) if record.offset == known.offset else None
    in_order = is_here and written_ms == record.timestamp
    is_later = in_order or (written_ms, one.at_ms) >= (known.written_ms, known.at_ms)
    if not is_later or min(one.at_ms, written_ms) < known.happened_ms - FUTURE_MS:
        detail = f"$.at_ms is {one.at_ms}, and this video has a newer upload or withdrawal, of {known.happened_ms}"
        return dead_letter(record, Reason.LATE, detail)
    is_back = isinstance(one, Upload) and known.is_withdrawal  # the catalogue wants a later time for that
    is_lower = one.at_ms < known.at_ms or record.offset <= known.offset  # a topic that was made again begins at 0
    at_ms = max(one.at_ms, min(known.at_ms + (is_back or is_lower), YEAR_2100_MS))
    return _accepted(record, one, written_ms, at_ms)


def _accepted(record: Record, one: Uploads, written_ms: int, at_ms: int) -> Accepted:
    version = StoredVersion(at_ms, record.partition, record.offset, written_ms, isinstance(one, Withdraw))
    return Accepted(one if one.at_ms == at_ms else msgspec.structs.replace(one, at_ms=at_ms), version, one.at_ms)
