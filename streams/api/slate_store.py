"""Slates as the API keeps them: one row a person, the stored message beside what is asked of it."""

import logging
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple, Protocol, Self

import msgspec
from msgspec import Meta

from streams.kafka.records import Record
from streams.kafka.topic_watch import TopicIdentity
from streams.ranking.slates import source_offset_of

log = logging.getLogger("freshet.api")

_HEAD = struct.Struct("<QqqqIqq")
LAYOUT = 2  # of a row: a store with rows of another one is made again from the topic
_VERSION = struct.Struct("<Q")


Number = Annotated[int, Meta(ge=0, le=2**62)]


class _Trigger(msgspec.Struct, frozen=True, gc=False):
    partition: Annotated[int, Meta(ge=0, lt=2**31)]
    offset: Annotated[int, Meta(ge=-1, le=2**62)]  # -1: of no event, as in a slate for somebody without a history
    at_ms: Number


class _Head(msgspec.Struct, frozen=True, gc=False):
    """Of a slate what is asked of it here; decoding the rest would cost more than everything else."""

    version: Number
    generated_at_ms: Number
    expires_at_ms: Number
    trigger: _Trigger


_decode = msgspec.json.Decoder(_Head).decode


class StoredSlate(NamedTuple):
    """A slate's message as it came, and what decides whether it is the one that is asked for."""

    version: int
    generated_at_ms: int
    expires_at_ms: int
    trigger_at_ms: int
    partition: int
    offset: int
    source: int  # the offset of its profile on profiles.v1, in the partition of the same number; -1: not known
    message: bytes

    @classmethod
    def of(cls, message: bytes, source: int = -1) -> Self:
        """Read a message of recommendations.v1; msgspec.DecodeError where it is none."""
        head = _decode(message)
        event = head.trigger
        times = head.generated_at_ms, head.expires_at_ms, event.at_ms
        return cls(head.version, *times, event.partition, event.offset, source, message)

    @classmethod
    def unpack(cls, row: bytes) -> Self:
        """The slate of a row."""
        return cls._make((*_HEAD.unpack_from(row), row[_HEAD.size :]))

    @staticmethod
    def version_of(row: bytes) -> int:
        """The version of a row's slate."""
        version: int = _VERSION.unpack_from(row)[0]
        return version

    def pack(self) -> bytes:
        """The row of a slate."""
        return _HEAD.pack(*self[:-1]) + self.message

    def reflects(self, partition: int, offset: int) -> bool:
        """Whether the event at this place of feedback.v1, or a later one of it, is taken into account."""
        return self.partition == partition and self.offset >= offset


class SlateRecord(NamedTuple):
    """A record of recommendations.v1 as it was read, once, for all who take it in."""

    key: bytes  # the person's id as UTF-8
    offset: int
    written_ms: int
    slate: StoredSlate | None  # None: the person was erased


def slates_in(records: Iterable[Record]) -> list[SlateRecord]:
    """Records as slates and erasures, in their order; what is neither is left out with a warning."""
    found = []
    for record in records:
        if (key := record.key) is None:
            continue
        try:
            key.decode()
            slate = StoredSlate.of(record.value, source_offset_of(record)) if record.value else None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s[%d]@%d is no slate: %s", record.topic, record.partition, record.offset, error)
            continue
        found.append(SlateRecord(key, record.offset, record.timestamp, slate))
    return found


def newest_of(records: Iterable[SlateRecord], version_of: Callable[[bytes], int]) -> dict[bytes, StoredSlate | None]:
    """Of each person in a batch what counts after it, None after an erasure; without those where nothing changes.

    version_of  the version that is kept under a key, 0 where none is
    """
    newest: dict[bytes, StoredSlate | None] = {}
    for key, _, _, slate in records:
        if slate is None:
            newest[key] = None
            continue
        before = newest.get(key)
        kept = before.version if before else 0 if key in newest else version_of(key)
        if slate.version >= kept:
            newest[key] = slate
    return newest


class SlateStore(Protocol):
    """The newest slate of every person, and how far the topic has been read into it.

    `begin` and `apply` are called by the thread that follows the topic, `get` by the event loop.
    """

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> dict[int, int]:
        """Where each partition is to be read on; everything of a topic with another id is dropped first."""

    def apply(self, partition: int, records: Sequence[SlateRecord], position: int) -> list[str]:
        """Take one partition's records in, with the offset after them, at once; returns whose slate is another now."""

    async def get(self, user_id: str) -> StoredSlate | None:
        """A person's slate."""

    def close(self) -> None:
        """Let go of what is open."""
