"""From raw bytes to a valid message, or to a dead letter with its reason. No content of a record raises here."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from ranker.profile.fold import Arrival
from schemas.messages import cloudevents, feedback, lenient, videos
from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.messages.fields import why_not_an_id
from schemas.topics import MAX_RECORD_BYTES
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record, partition_of

M = TypeVar("M")

FEEDBACK_BYTES = 64 * 1024
UPLOAD_BYTES = 1024 * 1024
FUTURE_MS = 5 * 60 * 1000  # a clock may run ahead of the broker's by this much
ORIGIN = "freshet-origin"  # header of a record that was rerouted to its right partition: topic/partition/offset
ORIGIN_FORM = re.compile(r"(.+)/(\d{1,9})/(\d{1,18})", re.ASCII)
ORIGIN_MS = "freshet-origin-ms"  # header of such a record: the broker's time there
CACHED_USERS = 200_000  # whose partition is cached; about 30 MB
REGISTRY_MAGIC = 0  # first byte of a schema registry's wire format
WIRE_FORMAT = (
    "a schema registry's wire format, as KafkaAvroSerializer, KafkaProtobufSerializer or KafkaJsonSchemaSerializer "
    "writes it; this topic carries plain JSON: set value.serializer to a StringSerializer or ByteArraySerializer"
)


class RejectedRecord(Exception):
    """A record that cannot be used, with the reason and a sentence."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _PartitionOfUser(dict[str, int]):
    """The partition of each user id, cached: murmur2 takes longer than decoding an event."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def __missing__(self, user_id: str) -> int:
        if len(self) >= CACHED_USERS:
            self.clear()
        self[user_id] = partition = partition_of(user_id.encode(), self._partitions)
        return partition


_partition_of_user = lru_cache(maxsize=4)(_PartitionOfUser)


class ValidatedBatch(NamedTuple):
    """A batch of records after validation: each is in one of the three."""

    arrivals: list[Arrival]
    dead_letters: list[DeadLetter]
    misrouted: list[Outgoing]  # on the wrong partition: to be sent again by key


def read_feedback(records: Iterable[Record], partitions: int) -> ValidatedBatch:
    """Validate a batch of feedback.v1; the topic has so many partitions."""
    batch = ValidatedBatch([], [], [])
    arrivals, right_partition = batch.arrivals, _partition_of_user(partitions)
    for record in records:
        try:
            event = read_event(record)
            partition = record.partition
            if right_partition[event.user_id] == partition:
                origin = sent_on_from(record, partitions) if record.headers else None
                arrivals.append(Arrival(event, record.topic, partition, record.offset, origin))
            else:
                batch.misrouted.append(reroute(record, event.user_id))
        except RejectedRecord as rejection:
            batch.dead_letters.append(dead_letter(record, rejection.reason, rejection.detail))
    return batch


def read_upload(record: Record) -> videos.Uploads | DeadLetter:
    """Validate one record of uploads.v1."""
    try:
        video, _ = decoded(record, videos.decode, UPLOAD_BYTES, videos.Uploads)
        check_ids(video_id=video.video_id)
        check_time(record, video.at_ms)
        if isinstance(video, videos.Upload):
            video = videos.without_blank_tags(video)
            _reject_if(videos.why_not_an_upload(video), Reason.SCHEMA)
        if record.key is not None and record.key != video.video_id.encode():
            raise RejectedRecord(Reason.KEY_MISMATCH, lenient.why_other_key(record.key, "video_id", video.video_id))
    except RejectedRecord as rejection:
        return dead_letter(record, rejection.reason, rejection.detail)
    return video


class ValidatedUploads(NamedTuple):
    """A batch of uploads and withdrawals after validation: each is in one of the three."""

    valid: list[tuple[Record, videos.Uploads]]
    dead_letters: list[DeadLetter]
    misrouted: list[Outgoing]  # on the wrong partition: to be sent again by key


def read_uploads(records: Iterable[Record], partitions: int) -> ValidatedUploads:
    """Validate a batch of uploads.v1; the topic has so many partitions."""
    batch = ValidatedUploads([], [], [])
    for record in records:
        one = read_upload(record)
        try:
            if isinstance(one, DeadLetter):
                batch.dead_letters.append(one)
            elif partition_of(one.video_id.encode(), partitions) == record.partition:
                batch.valid.append((record, one))
            else:
                batch.misrouted.append(reroute(record, one.video_id))
        except RejectedRecord as rejection:
            batch.dead_letters.append(dead_letter(record, rejection.reason, rejection.detail))
    return batch


def late_dead_letters(records: Iterable[Record], late: Iterable[Arrival], late_ms: int) -> list[DeadLetter]:
    """Dead letters for events that came too late for their person."""
    offsets = {arrival.offset for arrival in late}
    if not offsets:
        return []
    detail = f"$.at_ms is older than this person's newest event by more than late_ms, {late_ms}"
    return [dead_letter(record, Reason.LATE, detail) for record in records if record.offset in offsets]


def dead_letter(record: Record, reason: Reason, detail: str) -> DeadLetter:
    """A dead letter for a record, with its place."""
    return DeadLetter(
        reason=reason,
        detail=detail,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        key=record.key,
        value=record.value or b"",
        headers=record.headers,
    )


def read_event(record: Record) -> feedback.Feedback:
    """Validate one record of feedback.v1, wherever it lies; RejectedRecord where it cannot be used."""
    event, event_id = decoded(record, feedback.decode, FEEDBACK_BYTES, feedback.Feedback)
    user_id, video_id = event.user_id, event.video_id
    ids = f"{user_id}{video_id}{event.event_id or event_id}"  # one check for all: nearly always nothing is wrong
    if event_id or not (ids.isascii() and ids.isprintable()):  # msgspec has measured an event's own ids only
        check_ids(user_id=user_id, video_id=video_id, event_id=event.event_id or event_id or "")
    if event.at_ms > record.timestamp + FUTURE_MS:
        check_time(record, event.at_ms)
    key = record.key
    if key != user_id.encode() and key is not None:
        raise RejectedRecord(Reason.KEY_MISMATCH, lenient.why_other_key(key, "user_id", user_id))
    if event.event_id is None and event_id:
        return msgspec.structs.replace(event, event_id=event_id)
    return event


def decoded(record: Record, decode: Callable[[bytes], M], limit: int, kind: Any) -> tuple[M, str | None]:
    """Decode a record's value, CloudEvents unwrapped, and give the envelope's id; every failure has its reason.

    kind  the type that `decode` decodes: what the strict decoder refuses is read once more as some clients write it
    """
    value = record.value
    if not value:
        raise RejectedRecord(Reason.DECODE, "the value is null" if value is None else "the value is empty")
    if len(value) > limit:
        raise RejectedRecord(Reason.TOO_LARGE, f"{len(value)} bytes, {limit} are allowed")
    if value[0] == REGISTRY_MAGIC and not value.startswith(lenient.WIDE):
        raise RejectedRecord(Reason.SCHEMA_VERSION, WIRE_FORMAT)
    try:
        if not record.headers and value.find(cloudevents.MARK) < 0:
            return decode(value), None  # plain JSON, as nearly all is
        data, event_id = cloudevents.unwrap(value, _headers(record))
        return decode(data), event_id
    except cloudevents.UnknownVersion as error:
        raise RejectedRecord(Reason.SCHEMA_VERSION, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _leniently_decoded(record, value, kind, str(error))


def _leniently_decoded(record: Record, value: bytes, kind: Any, refusal: str) -> tuple[Any, str | None]:
    """What the strict decoder refused, read as some clients write it; `refusal` is what it said."""
    headers = _headers(record)
    try:
        if "ce_specversion" in headers:
            _, event_id = cloudevents.unwrap(b"", headers)
            return lenient.read(value, kind)[0], event_id
        return lenient.read(value, kind, structured=cloudevents.is_structured(headers))
    except cloudevents.UnknownVersion as error:
        raise RejectedRecord(Reason.SCHEMA_VERSION, str(error)) from None
    except msgspec.ValidationError as error:
        raise RejectedRecord(_reason_of(str(error)), str(error)) from None
    except UnicodeDecodeError as error:
        raise RejectedRecord(Reason.DECODE, str(error)) from None
    except lenient.NotJson as error:
        raise RejectedRecord(Reason.DECODE, str(error) or refusal) from None


def _reason_of(error: str) -> Reason:
    """Tell a value outside its bounds from a wrong type, by msgspec's sentence."""
    if "= " not in error.replace("length >=", "").replace("length <=", "") and "out of range" not in error:
        return Reason.SCHEMA
    return Reason.TIMESTAMP if "`$.at_ms`" in error else Reason.RANGE


def check_ids(**ids: str) -> None:
    """Reject an id that no message may carry, by its field's name."""
    for name, value in ids.items():
        _reject_if(why_not_an_id(name, value), Reason.SCHEMA)


def check_time(record: Record, at_ms: int) -> None:
    """Reject a time further ahead of the broker's than clocks may differ."""
    if at_ms > record.timestamp + FUTURE_MS:
        raise RejectedRecord(Reason.TIMESTAMP, f"$.at_ms is {at_ms - record.timestamp} ms after the broker's time")


def _reject_if(why: str | None, reason: Reason) -> None:
    if why:
        raise RejectedRecord(reason, why)


def _header(record: Record, name: str) -> str | None:
    for one, value in reversed(record.headers):
        if one == name and value is not None:
            return value.decode("utf-8", "replace")
    return None


def rerouted_from(record: Record) -> tuple[int, int] | None:
    """Partition and offset at which a rerouted record was first read; None where nobody rerouted it."""
    if not record.headers or (found := _header(record, ORIGIN)) is None:
        return None
    origin = ORIGIN_FORM.fullmatch(found)
    return (int(origin[2]), int(origin[3])) if origin and origin[1] == record.topic else None


def sent_on_from(record: Record, partitions: int) -> tuple[int, int] | None:
    """The same of a record on its right partition: what names that one, or none of the topic's, was made up."""
    origin = rerouted_from(record)
    return origin if origin and origin[0] < partitions and origin[0] != record.partition else None


def first_written_ms(record: Record) -> int:
    """The broker's time of a record, of a rerouted one that at which it was first written."""
    written = _header(record, ORIGIN_MS) or "" if record.headers else ""
    return min(record.timestamp, int(written)) if written.isdecimal() and len(written) <= 18 else record.timestamp


def _headers(record: Record) -> Mapping[str, bytes]:
    return {name: value for name, value in record.headers if value is not None}  # Kafka allows null values


def reroute(record: Record, key: str) -> Outgoing:
    """The same record for the partition of its key, a user or a video.

    One that was rerouted before, or is too large with the headers that say so, is rejected.
    """
    if rerouted_from(record):
        raise RejectedRecord(Reason.KEY_MISMATCH, "rerouted already, and still on the wrong partition")
    origin = f"{record.topic}/{record.partition}/{record.offset}".encode()
    written = (ORIGIN_MS, str(record.timestamp).encode())
    outgoing = Outgoing(key.encode(), record.value, [*record.headers, (ORIGIN, origin), written])
    if outgoing.size() > MAX_RECORD_BYTES:
        raise RejectedRecord(
            Reason.TOO_LARGE,
            f"on the wrong partition, and with the header that it needs to be sent on it has {outgoing.size()} bytes, "
            f"{MAX_RECORD_BYTES} are allowed",
        )
    return outgoing
