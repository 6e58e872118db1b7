"""Folding: how what people do becomes their profiles.

The bounded lists, the counts and `newest_ms` do not depend on the order in which events arrive, as long as
none is late. `origin`, `applied`, `recent_ids` and the order of `seen` follow arrival.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Literal, NamedTuple

import msgspec

from ranker.marks import (
    COMMENTED,
    FOLLOWED,
    FOLLOWS,
    HIDES,
    LIKED,
    LIKES,
    POSITIVE,
    RATED_BAD,
    RATED_GOOD,
    SAVED,
    SHARED,
    SKIPPED,
    SKIPS,
    WATCHES,
    Hidden,
    Hides,
    Mark,
    Marks,
    hide,
    is_positive,
    keep,
    watch_weight,
)
from ranker.state import (
    EMPTY,
    RECENT,
    RECENT_BYTES,
    SEEN,
    SEEN_BYTES,
    Origin,
    Profile,
    ProfileError,
    pack,
    seen_codes,
    state_digest,
    unpack,
    video_code,
)
from schemas.events import (
    Comment,
    Feedback,
    Follow,
    Hide,
    Impression,
    Like,
    Rate,
    Save,
    Search,
    Shared,
    Skip,
    Watch,
)

__all__ = [
    "EMPTY",
    "Accepted",
    "Arrival",
    "Folded",
    "Hidden",
    "Mark",
    "Origin",
    "Profile",
    "ProfileError",
    "Verdict",
    "fold",
    "fold_all",
    "is_first_positive",
    "pack",
    "seen_codes",
    "state_digest",
    "unpack",
    "verdict",
    "video_code",
]

KIND_OF = {kind: str(kind.__struct_config__.tag) for kind in Feedback.__args__}

Verdict = Literal["new", "repeat", "late"]
Lists = tuple[Marks, Marks, Marks, Hides, Marks]


class Arrival(NamedTuple):
    """An event with the place at which it was read."""

    event: Feedback
    topic: str
    partition: int
    offset: int


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event taken in, the profile right after it, and whether it is a first good word for the video."""

    arrival: Arrival
    profile: Profile
    first_positive: bool


class Folded(msgspec.Struct, frozen=True):
    """What a batch did to the profiles, and what of it was refused."""

    changed: dict[str, Profile]  # in order of first change
    late: list[Arrival]
    repeats: int
    accepted: list[Accepted]


def fold(state: Profile, event: Feedback, origin: Origin) -> Profile:
    """Take one event into the state. Pure; whether the event is new is for `verdict` to say."""
    return _fold(state, event, origin, _id_digest(event), _known(state, event))


def _fold(state: Profile, event: Feedback, origin: Origin, id_digest: bytes | None, known: bool) -> Profile:
    watches, likes, skips, hides, follows = _lists(state, event, known)
    applied, counts, kind = state.applied.copy(), state.counts.copy(), KIND_OF[type(event)]
    if origin.offset > applied.get(origin.partition, -1):
        applied[origin.partition] = origin.offset
    counts[kind] = counts.get(kind, 0) + 1
    return Profile(
        state.version + 1,
        event.at_ms if event.at_ms > state.newest_ms else state.newest_ms,
        origin,
        applied,
        watches,
        likes,
        skips,
        hides,
        follows,
        state.seen if isinstance(event, Search) else _saw(state.seen, event.video_id, known),
        state.recent_ids if id_digest is None else (state.recent_ids + id_digest)[-RECENT * RECENT_BYTES :],
        counts,
    )


def _lists(state: Profile, event: Feedback, known: bool) -> Lists:
    """The five lists after this event; a new kind of event does not type-check until it is named here."""
    watches, likes, skips = state.watches, state.likes, state.skips
    hides, follows = state.hides, state.follows
    match event:
        case Watch():
            weight = watch_weight(event.watched_ms, event.duration_ms)
            if weight:  # a watch of nothing is no more than an impression
                watches = keep(watches, Mark(event.video_id, event.at_ms, weight), WATCHES, known)
            return watches, likes, skips, hides, follows
        case Skip():
            return watches, likes, keep(skips, _mark(event, SKIPPED), SKIPS, known), hides, follows
        case Like():
            return watches, keep(likes, _mark(event, LIKED), LIKES, known), skips, hides, follows
        case Impression() | Search():
            return watches, likes, skips, hides, follows
        case Shared():
            return watches, keep(likes, _mark(event, SHARED), LIKES, known), skips, hides, follows
        case Comment():
            return watches, keep(likes, _mark(event, COMMENTED), LIKES, known), skips, hides, follows
        case Save():
            return watches, keep(likes, _mark(event, SAVED), LIKES, known), skips, hides, follows
        case Follow():
            return watches, likes, skips, hides, keep(follows, _mark(event, FOLLOWED), FOLLOWS, known)
        case Hide():
            hides = hide(hides, Hidden(event.video_id, event.at_ms, event.scope or "video"), HIDES)
            return watches, likes, skips, hides, follows
        case Rate():
            if event.value >= RATED_GOOD:
                likes = keep(likes, _mark(event, round(100 * event.value)), LIKES, known)
            elif event.value <= RATED_BAD:
                skips = keep(skips, _mark(event, round(100 * (1 - event.value))), SKIPS, known)
            return watches, likes, skips, hides, follows


def _mark(event: Skip | Like | Shared | Comment | Save | Follow | Rate, weight: int) -> Mark:
    return Mark(event.video_id, event.at_ms, weight)


def _known(state: Profile, event: Feedback) -> bool:
    """Say whether a list may hold this video: not if it is unseen and nothing seen was ever forgotten.

    Reading through the lists for each event would cost most of the fold: their marks lie all over the memory.
    """
    if isinstance(event, Search):
        return False
    return len(state.seen) == SEEN * SEEN_BYTES or _place(state.seen, _entry(event.video_id)) >= 0


def _saw(seen: bytes, video_id: str, known: bool) -> bytes:
    entry = _entry(video_id)
    at = _place(seen, entry) if known else -1
    if at >= 0:
        return seen[:at] + seen[at + SEEN_BYTES :] + entry
    return (seen + entry)[-SEEN * SEEN_BYTES :]


def _entry(video_id: str) -> bytes:
    return video_code(video_id).to_bytes(SEEN_BYTES, "little")


def _place(entries: bytes, entry: bytes) -> int:
    """Byte offset of an entry in a row of entries of its length, or -1."""
    at = entries.find(entry)
    while at > 0 and at % len(entry):  # a match across two entries is none
        at = entries.find(entry, at + 1)
    return at


def _id_digest(event: Feedback) -> bytes | None:
    if event.event_id is None:
        return None
    return blake2b(event.event_id.encode(), digest_size=RECENT_BYTES).digest()


def verdict(state: Profile, arrival: Arrival, late_ms: int) -> Verdict:
    """Say whether an event is new, a repeat, or older than the person's newest by more than `late_ms`."""
    event, _, partition, offset = arrival
    return _verdict(state, event.at_ms, partition, offset, late_ms, _id_digest(event))


def _verdict(state: Profile, at_ms: int, partition: int, offset: int, late_ms: int, id_digest: bytes | None) -> Verdict:
    if offset <= state.applied.get(partition, -1):
        return "repeat"
    if id_digest is not None and _place(state.recent_ids, id_digest) >= 0:
        return "repeat"
    return "late" if at_ms < state.newest_ms - late_ms else "new"


def fold_all(users: Mapping[str, Profile], arrivals: Iterable[Arrival], late_ms: int) -> Folded:
    """Take in a batch, in its order. `users` stays as it is; a person not among them starts empty."""
    folded = Folded({}, [], 0, [])
    changed, repeats = folded.changed, 0
    for arrival in arrivals:
        event, topic, partition, offset = arrival
        user_id = event.user_id
        state = changed.get(user_id) or users.get(user_id, EMPTY)
        id_digest = _id_digest(event)
        found = _verdict(state, event.at_ms, partition, offset, late_ms, id_digest)
        if found == "new":
            known = _known(state, event)
            origin = Origin(event.event_id, topic, partition, offset, event.at_ms)
            changed[user_id] = after = _fold(state, event, origin, id_digest, known)
            first = is_positive(event) and not (known and _speaks_for(state, event))
            folded.accepted.append(Accepted(arrival, after, first))
        elif found == "late":
            folded.late.append(arrival)
        else:
            repeats += 1
    return msgspec.structs.replace(folded, repeats=repeats)


def is_first_positive(state: Profile, event: Feedback) -> bool:
    """Say whether this event speaks for a video of which `state` remembers nothing positive."""
    return is_positive(event) and not _speaks_for(state, event)


def _speaks_for(state: Profile, event: Feedback) -> bool:
    if isinstance(event, Search):
        return False
    video_id = event.video_id
    return (
        any(mark.video_id == video_id and mark.weight >= POSITIVE for mark in state.watches)
        or any(mark.video_id == video_id for mark in state.likes)
        or any(mark.video_id == video_id for mark in state.follows)
    )
