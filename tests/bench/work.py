"""What every engine is given to do: the reference fold, and Freshet's own profiles.

Here is all that engines share, so that their differences are their own. It needs msgspec and the pure packages only:
a peer with an environment of its own runs it too.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from ranker.profile.codec import pack, state_digest, unpack
from ranker.profile.fold import Arrival, fold, verdict
from ranker.profile.model import EMPTY, Origin, Profile
from schemas.messages import feedback

LATE_MS = 86_400_000  # the default of late_ms
LAST = 7  # videos that the reference state remembers

Place = tuple[int, int]  # partition and offset of an event on the source topic


class Work(NamedTuple):
    """One fold over a topic's records; states are what `apply` returns."""

    name: str
    apply: Callable[[Any, bytes, str, int, int], Any]  # state or None, value, topic, partition, offset; None: no change
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]
    events_in: Callable[[Any], int]  # how many events a state holds
    place_in: Callable[[bytes], Place]  # the newest event that a packed state takes into account
    digest: Callable[[Iterable[tuple[str, Any]]], str]  # of all states by user, wherever their events were read


class Viewed(msgspec.Struct, gc=False):
    """What the reference fold reads of an event."""

    kind: str
    video_id: str
    at_ms: int
    watched_ms: int = 0


class State(msgspec.Struct, frozen=True, gc=False):
    """The reference state: a person's counts and sums, and the last videos; about 190 bytes as JSON."""

    partition: int  # of the newest event, and below its offset: what is at or before it is a repeat
    offset: int
    count: int
    newest_ms: int
    watched_ms: int
    likes: int
    skips: int
    last: tuple[str, ...]  # newest last


NOBODY = State(-1, -1, 0, 0, 0, 0, 0, ())

_viewed = msgspec.json.Decoder(Viewed).decode
_state = msgspec.json.Decoder(State).decode
_json = msgspec.json.Encoder().encode


def apply_reference(state: State | None, value: bytes, topic: str, partition: int, offset: int) -> State | None:
    """Take one event into a reference state; None for a repeat.

    >>> event = b'{"kind":"like","video_id":"v7","at_ms":5}'
    >>> apply_reference(None, event, "t", 2, 8)
    State(partition=2, offset=8, count=1, newest_ms=5, watched_ms=0, likes=1, skips=0, last=('v7',))
    >>> apply_reference(State(2, 8, 1, 5, 0, 1, 0, ("v7",)), event, "t", 2, 8)
    """
    before = state or NOBODY
    if offset <= before.offset and partition == before.partition:
        return None
    event = _viewed(value)
    return State(
        partition,
        offset,
        before.count + 1,
        max(before.newest_ms, event.at_ms),
        before.watched_ms + event.watched_ms,
        before.likes + (event.kind == "like"),
        before.skips + (event.kind == "skip"),
        (*before.last[1 - LAST :], event.video_id),
    )


def apply_profile(state: Profile | None, value: bytes, topic: str, partition: int, offset: int) -> Profile | None:
    """Take one event into a profile as Freshet does; None for a repeat or a late event."""
    before = state or EMPTY
    event = feedback.decode(value)
    if verdict(before, Arrival(event, topic, partition, offset), LATE_MS) != "new":
        return None
    return fold(before, event, Origin(event.event_id, topic, partition, offset, event.at_ms))


class _Placed(msgspec.Struct, array_like=True, tag="p1"):
    """The first fields of a packed profile."""

    version: int
    newest_ms: int
    origin: Origin


_placed = msgspec.msgpack.Decoder(_Placed).decode


def _place_in_profile(value: bytes) -> Place:
    origin = _placed(value).origin
    return origin.partition, origin.offset


def _place_in_reference(value: bytes) -> Place:
    state = _state(value)
    return state.partition, state.offset


def _reference_digest(states: Iterable[tuple[str, State]]) -> str:
    digest = sha256()
    for user, state in sorted(states):
        digest.update(_json((user, msgspec.structs.replace(state, partition=0, offset=0))))
    return digest.hexdigest()


REFERENCE = Work(
    "reference",
    apply_reference,
    _json,
    _state,
    lambda state: int(state.count),
    _place_in_reference,
    _reference_digest,
)
PROFILES = Work(
    "profiles",
    apply_profile,
    pack,
    unpack,
    lambda profile: int(profile.version),
    _place_in_profile,
    state_digest,
)
WORKS = {work.name: work for work in (REFERENCE, PROFILES)}
STATE_KEY = b"s"  # Quix Streams puts a separator and this behind a person's id


def user_of(key: bytes) -> str:
    """Whose state a changelog record holds.

    >>> user_of(b"ana"), user_of(b"ana|s")
    ('ana', 'ana')
    """
    return key.removesuffix(b"|" + STATE_KEY).decode()
