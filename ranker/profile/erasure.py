"""Being forgotten: what is kept of an erased person, and what that refuses.

A floor says of a person, known by a keyed hash alone, until when everything is forgotten and above which version they
may start anew. It stands so far above every version of the life that was erased that a worker which was cut off and
wakes up cannot reach it: whatever is at or below the floor belongs to that life, whoever wrote it and however late.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b, sha512
from typing import NamedTuple

from msgspec.structs import replace

from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY, Profile
from schemas.messages.erasures import ErasureMarker

CODE_BYTES = 16
GAP = 1_000_000  # versions left out: more events of one person than a worker can have in hand

Code = Callable[[str], str]


class SplitByErasure(NamedTuple):
    """What of a batch may be taken in; `starts` are the empty profiles of those who come back."""

    kept: list[Arrival]
    erased: list[Arrival]
    starts: dict[str, Profile]


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
    """The new floor after an erasure; None where the floor that is there forgets as much."""
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
    """The empty profile of a person who comes back; its versions go on above the floor."""
    return replace(EMPTY, version=marker.version)


def split_by_erasure(
    markers: Mapping[str, ErasureMarker], code: Code, people: Mapping[str, Profile], arrivals: Iterable[Arrival]
) -> SplitByErasure:
    """Part events that may be taken in from those at or before their person's erasure. `floors` are by code."""
    admitted = SplitByErasure([], [], {})
    known: dict[str, ErasureMarker | None] = {}
    for arrival in arrivals:
        user_id = arrival.event.user_id
        if user_id not in known:
            known[user_id] = _floor(markers, code, user_id, people.get(user_id))
        marker = known[user_id]
        if marker is not None and arrival.event.at_ms <= marker.at_ms:
            admitted.erased.append(arrival)
            continue
        admitted.kept.append(arrival)
        if marker is not None and user_id not in people:
            admitted.starts[user_id] = restarted_profile(marker)
    return admitted


def _floor(
    markers: Mapping[str, ErasureMarker], code: Code, user_id: str, profile: Profile | None
) -> ErasureMarker | None:
    """A person's floor; nobody in their first life has one, which spares them the hash."""
    return None if profile is not None and profile.version < GAP else markers.get(code(user_id))


class Erased:
    """Who was erased, and until when: held for as long as anything made before may still be on its way."""

    def __init__(self, keep_ms: int) -> None:
        self._keep_ms = keep_ms
        self._until: dict[str, tuple[int, int]] = {}  # user id → at_ms, when it was said; oldest said first

    def __len__(self) -> int:
        return len(self._until)

    def take(self, user_id: str, at_ms: int, said_ms: int) -> None:
        """Remember an erasure that was said at `said_ms` of the broker's time, and let go of old ones."""
        before_ms, _ = self._until.pop(user_id, (0, 0))
        self._until[user_id] = max(at_ms, before_ms), said_ms
        while (oldest := next(iter(self._until))) != user_id and self._until[oldest][1] < said_ms - self._keep_ms:
            del self._until[oldest]

    def refuses(self, user_id: str, at_ms: int) -> bool:
        """Whether what an event of this time caused may not leave any more."""
        return at_ms <= self._until.get(user_id, (0, 0))[0]
