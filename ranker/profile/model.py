"""One person's state as stored: the profile, its bytes, and what can be read off it.

It holds ids, counts and times only; what a video is gets looked up when ranking.
"""

from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from ranker.profile.counters import NOTHING, Counters
from ranker.profile.history import HiddenItems, Interactions

SEEN = 512  # videos that do not come back
SEEN_BYTES = 4  # lets one unseen video in 8 million pass for seen
RECENT_BYTES = 8
OFFSET_BITS = 48  # 2**48 records of one partition: at 100,000 a second 89 years


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
    applied: dict[int, int]  # partition → newest applied offset plus its base; ~partition of one that sent events on
    watches: Interactions  # all lists: newest last
    likes: Interactions  # likes, shares, comments, saves, high ratings
    skips: Interactions  # skips, low ratings
    hides: HiddenItems
    follows: Interactions  # the creator of this video
    seen: bytes  # crc32 of the last 512 distinct videos, little-endian, newest last
    recent_ids: bytes  # blake2b of the newest event ids; of the older ones see event_ids.py
    counts: dict[str, int]  # events by kind
    counters: Counters = NOTHING  # how the person took what they met; earlier releases wrote none


def offset_base(topics_before: int) -> int:
    """What is added to an input topic's offsets where so many topics of its name were deleted before it.

    All that was applied of those before it then lies below, and the first topic's offsets are stored as they are.

    >>> offset_base(0), offset_base(1) == 2**48
    (0, True)
    """
    return topics_before << OFFSET_BITS


EMPTY = Profile(0, 0, None, {}, (), (), (), (), (), b"", b"", {})


def video_code(video_id: str) -> int:
    """The 4-byte hash by which a profile knows a seen video."""
    return crc32(video_id.encode())


def seen_codes(profile: Profile) -> NDArray[np.uint32]:
    """Hashes of the seen videos, oldest first: uint32 [S], S at most 512, read-only."""
    return np.frombuffer(profile.seen, dtype="<u4")
