"""Being forgotten: what is kept of an erased person, and what that refuses.

A marker says of a person, known by a keyed hash alone, until when everything is forgotten and above which version they
may start again. That version lies so far above every version before the erasure that a worker which was cut off and
resumes cannot reach it: a profile at or below the marker's version is from before, whoever wrote it and however late.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b, sha512
from typing import NamedTuple

from msgspec.structs import replace

from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY, Profile
from schemas.messages.erasures import ErasureMarker

CODE_BYTES = 16
GAP = 1_000_000  # versions left out: more events of one person than a worker can have in flight

Code = Callable[[str], str]


class SplitByErasure(NamedTuple):
    """What of a batch may be folded and what an erasure refuses; who comes back starts from `restarted`."""

    kept: list[Arrival]
    erased: list[Arrival]
    restarted: dict[str, Profile]


def coder(secret: str) -> Code:
    """A function from a user id to the keyed hash that stands for it, 32 hex digits (BLAKE2b, RFC 7693).

    Without a secret anybody who guesses an id can test the guess.

    >>> coder("a secret")("u42") == coder("a secret")("u42") != coder("another")("u42")
    True
    """
    keyed = blake2b(key=sha512(secret.encode()).digest(), digest_size=CODE_BYTES)

    def code(user_id: str) -> str:
        hashed = keyed.copy()
        hashed.update(user_id.encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()

    return code


def advance_marker(marker: ErasureMarker | None, profile: Profile | None, at_ms: int) -> ErasureMarker | None:
    """The new marker after an erasure; None where the present marker forgets as much."""
    if marker is not None and at_ms <= marker.at_ms:
        return None
    highest = max(marker.version if marker else 0, profile.version if profile else 0)
    return ErasureMarker(at_ms, highest + GAP)


def is_after_erasure(marker: ErasureMarker | None, version: int) -> bool:
    """Whether a profile of this version began after its person's last erasure.

    >>> is_after_erasure(None, 7), is_after_erasure(ErasureMarker(1, 7), 7), is_after_erasure(ErasureMarker(1, 7), 8)
    (True, False, True)
    """
    return marker is None or version > marker.version


def restarted_profile(marker: ErasureMarker) -> Profile:
    """The empty profile of a person who comes back; its versions go on above the marker's."""
    return replace(EMPTY, version=marker.version)


def split_by_erasure(
    markers: Mapping[str, ErasureMarker], code: Code, people: Mapping[str, Profile], arrivals: Iterable[Arrival]
) -> SplitByErasure:
    """Separate events that may be folded from those at or before their person's erasure; `markers` are by code."""
    split = SplitByErasure([], [], {})
    known: dict[str, ErasureMarker | None] = {}
    for arrival in arrivals:
        user_id = arrival.event.user_id
        if user_id not in known:
            known[user_id] = _marker_of(markers, code, user_id, people.get(user_id))
        marker = known[user_id]
        if marker is not None and arrival.event.at_ms <= marker.at_ms:
            split.erased.append(arrival)
            continue
        split.kept.append(arrival)
        if marker is not None and user_id not in people:
            split.restarted[user_id] = restarted_profile(marker)
    return split


def _marker_of(
    markers: Mapping[str, ErasureMarker], code: Code, user_id: str, profile: Profile | None
) -> ErasureMarker | None:
    """A person's marker; who was never erased has none, and a low version shows it without the hash."""
    return None if profile is not None and profile.version < GAP else markers.get(code(user_id))


class RecentErasures:
    """Who was erased, and until when: kept for as long as a message from before may still be in flight."""

    def __init__(self, keep_ms: int) -> None:
        self._keep_ms = keep_ms
        self._until: dict[str, tuple[int, int]] = {}  # user id → at_ms, time of the request; oldest request first

    def __len__(self) -> int:
        return len(self._until)

    def add(self, user_id: str, at_ms: int, requested_ms: int) -> None:
        """Remember an erasure requested at `requested_ms` of the broker's time, and let go of old ones."""
        before_ms, _ = self._until.pop(user_id, (0, 0))
        self._until[user_id] = max(at_ms, before_ms), requested_ms
        while (oldest := next(iter(self._until))) != user_id and self._until[oldest][1] < requested_ms - self._keep_ms:
            del self._until[oldest]

    def refuses(self, user_id: str, at_ms: int) -> bool:
        """Whether a slate caused by an event of this time may not be sent any more."""
        return at_ms <= self._until.get(user_id, (0, 0))[0]
