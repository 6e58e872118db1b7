"""A profile as bytes: MessagePack, its version read off without opening it, and the state digest."""

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from operator import itemgetter

import msgspec

from ranker.profile.event_ids import PAGE_BYTES
from ranker.profile.model import RECENT_BYTES, SEEN_BYTES, Origin, Profile

HEAD, SHORTEST = b"\xa2p1", 12  # the tag behind the array's first byte; an empty profile is longer


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

    >>> from ranker.profile.model import EMPTY
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

    >>> from ranker.profile.model import EMPTY
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

    >>> from ranker.profile.model import EMPTY
    >>> looks_like_ours(pack(EMPTY)), looks_like_ours(b"garbage")
    (True, False)
    """
    return data[1:4] == HEAD and len(data) >= SHORTEST


def _unreadable(data: bytes, why: Exception) -> ProfileError:
    return ProfileError(f"profile of {len(data)} bytes: {why}; rebuild it from the feedback log or erase the person")


def state_digest(users: Iterable[tuple[str, Profile]]) -> str:
    """SHA-256 over all profiles by user id, without where their events were read.

    >>> from ranker.profile.model import EMPTY
    >>> state_digest([("a", EMPTY), ("b", EMPTY)]) == state_digest([("b", EMPTY), ("a", EMPTY)])
    True
    """
    digest = sha256()
    for user_id, profile in sorted(users, key=lambda pair: pair[0]):
        origin = profile.origin
        placeless = origin and Origin(origin.event_id, "", 0, 0, origin.at_ms)
        ids = profile.recent_ids[-PAGE_BYTES:]  # the digests of logs are older than longer memories
        comparable = msgspec.structs.replace(profile, applied={}, origin=placeless, recent_ids=ids)
        digest.update(_encode_in_order((user_id, comparable)))
    return digest.hexdigest()
