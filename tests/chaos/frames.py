"""Kafka's frames on their way through the proxy: some are changed, some never arrive.

`brokerless`: Metadata answers list no broker, as those of a broker that has just woken up, or has lost its controller.
`no_join`: JoinGroup requests are lost, as in a coordinator that did not come up after an unclean restart.
"""

import struct
from collections.abc import Callable, Iterator

METADATA, JOIN_GROUP = 3, 11  # API keys
FLEXIBLE = 9  # version from which on its strings and arrays are compact and tagged fields follow
OLDEST = 3  # version whose layout is known here: from it on the throttle time comes first


class Frames:
    """Cuts a stream of bytes into frames: a size of four bytes, and so many bytes behind it."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete by now, each with its size before it."""
        self._rest += data
        while len(self._rest) >= 4 and len(self._rest) >= (end := 4 + struct.unpack_from(">i", self._rest)[0]):
            frame, self._rest = self._rest[:end], self._rest[end:]
            yield frame


class Conversation:
    """One connection's requests, so that the answers to those for metadata are known."""

    def __init__(self, fault: Callable[[], str]) -> None:
        self._fault = fault  # the fault of now
        self._versions: dict[int, int] = {}  # of Metadata requests, by correlation id

    def requested(self, frame: bytes) -> bytes:
        """A request as it goes on; nothing where it is lost."""
        key, version, correlation = struct.unpack_from(">hhi", frame, 4)
        if key == METADATA:
            self._versions[correlation] = version
        return b"" if key == JOIN_GROUP and self._fault() == "no_join" else frame

    def answered(self, frame: bytes) -> bytes:
        """An answer as it goes on."""
        (correlation,) = struct.unpack_from(">i", frame, 4)
        version = self._versions.pop(correlation, 0)
        return without_brokers(frame, version) if version >= OLDEST and self._fault() == "brokerless" else frame


def without_brokers(frame: bytes, version: int) -> bytes:
    """A Metadata answer with an empty list of brokers; its topics stay."""
    flexible = version >= FLEXIBLE
    start = 4 + 4 + flexible + 4  # size, correlation, no tagged fields, throttle time
    end = _behind_compact(frame, start) if flexible else _behind(frame, start)
    body = frame[4:start] + (b"\x01" if flexible else struct.pack(">i", 0)) + frame[end:]
    return struct.pack(">i", len(body)) + body


def _behind(frame: bytes, at: int) -> int:
    """The place behind an array of brokers: node, host, port, rack each."""
    (count,) = struct.unpack_from(">i", frame, at)
    at += 4
    for _ in range(count):
        at += 4
        at += 2 + struct.unpack_from(">h", frame, at)[0] + 4
        at += 2 + max(0, struct.unpack_from(">h", frame, at)[0])
    return at


def _behind_compact(frame: bytes, at: int) -> int:
    """The same, of the compact layout, in which a tagged field may follow each broker (none does)."""
    count, at = _varint(frame, at)
    for _ in range(count - 1):
        size, at = _varint(frame, at + 4)
        size, at = _varint(frame, at + size - 1 + 4)
        at += max(0, size - 1) + 1
    return at


def _varint(frame: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = frame[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
