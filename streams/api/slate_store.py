"""Slates as the API keeps them: one row a person, the stored message beside what is asked of it."""

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

import msgspec

from streams.kafka.records import Record
from streams.kafka.topic_watch import TopicIdentity

_HEAD = struct.Struct("<QqqqIQ")


class _Trigger(msgspec.Struct, frozen=True, gc=False):
    partition: int
    offset: int
    at_ms: int


class _Head(msgspec.Struct, frozen=True, gc=False):
    """Of a slate what is asked of it here; decoding the rest would cost more than everything else."""

    version: int
    generated_at_ms: int
    expires_at_ms: int
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
    message: bytes

    @classmethod
    def of(cls, message: bytes) -> Self:
        """Read a message of recommendations.v1; msgspec.DecodeError where it is none."""
        head = _decode(message)
        event = head.trigger
        times = head.generated_at_ms, head.expires_at_ms, event.at_ms
        return cls(head.version, *times, event.partition, event.offset, message)

    @classmethod
    def unpack(cls, row: bytes) -> Self:
        """The slate of a row."""
        return cls._make((*_HEAD.unpack_from(row), row[_HEAD.size :]))

    def pack(self) -> bytes:
        """The row of a slate."""
        return _HEAD.pack(*self[:-1]) + self.message

    def reflects(self, partition: int, offset: int) -> bool:
        """Whether the event at this place of feedback.v1, or a later one of it, is taken into account."""
        return self.partition == partition and self.offset >= offset


class SlateStore(Protocol):
    """The newest slate of every person, and how far the topic has been read into it.

    `begin` and `apply` are called by the thread that follows the topic, `get` by the event loop.
    """

    def begin(self, topic: TopicIdentity) -> dict[int, int]:
        """Where each partition is to be read on; everything of a topic with another id is dropped first."""

    def apply(self, partition: int, records: Sequence[Record], position: int) -> list[str]:
        """Take one partition's records in, with the offset after them, at once; returns whose slate is another now."""

    async def get(self, user_id: str) -> StoredSlate | None:
        """A person's slate."""

    def close(self) -> None:
        """Let go of what is open."""
