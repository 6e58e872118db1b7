"""One person's state as stored: the profile, its bytes, and what can be read off it.

It holds ids, counts and times only; what a video is gets looked up when ranking.
"""

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from operator import itemgetter
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from ranker.marks import Hides, Marks

SEEN = 512  # videos that do not come back
SEEN_BYTES = 4  # lets one unseen video in 8 million pass for seen
RECENT = 64  # event ids by which a repeat is known although its offset is new
RECENT_BYTES = 8


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest event taken in, by arrival, and where it was read."""

    event_id: str | None
    topic: str
    partition: int
    offset: int
    at_ms: int


class Profile(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="p1"):
    """One person's state; the tag is the stored format, to be raised when old bytes stop being readable."""

    version: int  # accepted events so far
    newest_ms: int  # newest event time so far
    origin: Origin | None
    applied: dict[int, int]  # input partition → newest applied offset
    watches: Marks  # all lists: newest last
    likes: Marks  # likes, shares, comments, saves, high ratings
    skips: Marks  # skips, low ratings
    hides: Hides
    follows: Marks  # the creator of this video
    seen: bytes  # crc32 of the last 512 distinct videos, little-endian, newest last
    recent_ids: bytes  # blake2b of the last 64 event ids
    counts: dict[str, int]  # events by kind


HEAD, SHORTEST = b"\xa2p1", 12  # the tag behind the array's first byte; an empty profile is longer
EMPTY = Profile(0, 0, None, {}, (), (), (), (), (), b"", b"", {})


class ProfileError(ValueError):
    """Stored bytes that are no profile of this format."""


class UnknownFormat(RuntimeError):
    """A profile of another format than this one: written by another release, not damaged."""


_encode = msgspec.msgpack.Encoder().encode
_encode_in_order = msgspec.msgpack.Encoder(order="deterministic").encode  # takes no int keys that are there
_decode = msgspec.msgpack.Decoder(Profile).decode


class _Head(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="p1"):
    """A packed profile's first field; the others are passed over."""

    version: int


OTHER_TAG = re.compile(rb"[\x91-\x9f][\xa2\xa3](p[0-9]{1,2})(?![0-9])")  # an array that begins with a tag like ours
_decode_head = msgspec.msgpack.Decoder(_Head).decode


def pack(profile: Profile) -> bytes:
    """Write a profile as MessagePack; the same events in the same order give the same bytes."""
    return _encode(profile)


def unpack(data: bytes) -> Profile:
    """Read a packed profile back, or raise ProfileError.

    >>> unpack(pack(EMPTY)) == EMPTY
    True
    """
    try:
        profile = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(data, error) from error
    if len(profile.seen) % SEEN_BYTES or len(profile.recent_ids) % RECENT_BYTES:
        raise ProfileError(
            f"profile of {len(data)} bytes: seen or recent_ids ends inside an entry; rebuild it from the log"
        )
    return profile


def version_of(data: bytes) -> int:
    """Read the version alone out of a packed profile, in a quarter of the time; the rest is only counted through.

    ProfileError for what is no profile of this format, or is cut.

    >>> version_of(pack(EMPTY))
    0
    """
    try:
        return _decode_head(data).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (other := OTHER_TAG.match(data)) and other[1] != b"p1":
            raise UnknownFormat(
                f"a stored profile has format {other[1].decode()}, this release reads p1: run the release that wrote "
                "it, or empty the profiles topic and let the feedback log be read from its start"
            ) from None
        raise _unreadable(data, error) from error


# Bytes of a packed profile that sort as the versions do: MessagePack puts a larger first byte before a larger number,
# and the number with its highest byte first. Below 128 what follows is sorted by as well, which makes no difference.
order_of: Callable[[bytes], bytes] = itemgetter(slice(4, 9))


def looks_like_ours(data: bytes) -> bool:
    """Whether bytes begin as a packed profile of this format does.

    >>> looks_like_ours(pack(EMPTY)), looks_like_ours(b"garbage")
    (True, False)
    """
    return data[1:4] == HEAD and len(data) >= SHORTEST


def _unreadable(data: bytes, why: Exception) -> ProfileError:
    return ProfileError(f"profile of {len(data)} bytes: {why}; rebuild it from the feedback log or erase the person")


def video_code(video_id: str) -> int:
    """The 4-byte hash by which a profile knows a seen video."""
    return crc32(video_id.encode())


def seen_codes(profile: Profile) -> NDArray[np.uint32]:
    """Hashes of the seen videos, oldest first: uint32 [S], S at most 512, read-only."""
    return np.frombuffer(profile.seen, dtype="<u4")


def state_digest(users: Iterable[tuple[str, Profile]]) -> str:
    """SHA-256 over all profiles by user id, without where their events were read.

    >>> state_digest([("a", EMPTY), ("b", EMPTY)]) == state_digest([("b", EMPTY), ("a", EMPTY)])
    True
    """
    digest = sha256()
    for user_id, profile in sorted(users, key=lambda pair: pair[0]):
        origin = profile.origin
        placeless = origin and Origin(origin.event_id, "", 0, 0, origin.at_ms)
        digest.update(_encode_in_order((user_id, msgspec.structs.replace(profile, applied={}, origin=placeless))))
    return digest.hexdigest()
