"""Interactions: what a profile remembers of single videos, in short lists that forget the oldest.

A list holds one mark a video, its newest, and the newest `limit` of them. Both choices are maxima over one
total order, so a list is the same in whatever order its events arrived.
"""

from bisect import bisect
from typing import Literal, assert_never

import msgspec

from schemas.messages.feedback import (
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

WATCHES, LIKES, SKIPS, HIDES, FOLLOWS = 32, 16, 32, 16, 16  # places of each list; guesses
WHOLE_MS = 18_000  # longer videos count as watched after 18 s, as KuaiRand's long_view has it
POSITIVE = 50  # weight from which an event speaks for its video, so half of the whole for a watch; a guess

# How much each sign of liking says, in percent; guesses.
LIKED, SAVED, SHARED, COMMENTED = 80, 90, 100, 70
FOLLOWED = SKIPPED = 100
RATED_GOOD, RATED_BAD = 0.75, 0.35  # from here a rating counts like a like, down to here like a skip; guesses

Scope = Literal["video", "creator", "tag"]


class Interaction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One remembered video; `weight` is in percent, 0 to 100."""

    video_id: str
    at_ms: int
    weight: int


class HiddenItem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One remembered wish to see less of a video, of its creator or of its tags."""

    video_id: str
    at_ms: int
    scope: Scope


Interactions = tuple[Interaction, ...]
HiddenItems = tuple[HiddenItem, ...]


def watch_weight(watched_ms: int, duration_ms: int | None) -> int:
    """Percent of the whole that was watched: 100 for all of it or for 18 s; an unknown length counts as 18 s.

    >>> watch_weight(9_000, 60_000), watch_weight(5_999, 6_000), watch_weight(6_000, 6_000)
    (50, 99, 100)
    """
    whole_ms = duration_ms if duration_ms and duration_ms < WHOLE_MS else WHOLE_MS
    return 100 if watched_ms >= whole_ms else 100 * watched_ms // whole_ms


def weight_of(event: Feedback) -> int:
    """Percent by which an event speaks for its video, or below zero against it; 0 says neither.

    >>> weight_of(Watch(user_id="ana", video_id="v1", at_ms=1650000000000, watched_ms=9_000))
    50
    """
    # Frequent kinds first: a `match` takes half a microsecond for every kind that an event is not.
    if type(event) is Watch:
        return watch_weight(event.watched_ms, event.duration_ms)
    if type(event) is Impression:
        return 0
    if type(event) is Skip:
        return -SKIPPED
    if type(event) is Like:
        return LIKED
    if type(event) is Shared:
        return SHARED
    if type(event) is Comment:
        return COMMENTED
    if type(event) is Save:
        return SAVED
    if type(event) is Follow:
        return FOLLOWED
    if type(event) is Rate:
        return _rated(event.value)
    if type(event) is Hide or type(event) is Search:
        return 0  # a hide has a list of its own
    assert_never(event)  # a new kind of event does not type-check until it is named here


def _rated(value: float) -> int:
    if value >= RATED_GOOD:
        return round(100 * value)
    return -round(100 * (1 - value)) if value <= RATED_BAD else 0


def upsert(marks: Interactions, new: Interaction, limit: int, known: bool = True) -> Interactions:
    """Put a mark into a list that holds each video's newest mark, sorted by (at_ms, video_id), newest last.

    Unless `known`, the caller answers for it that the list holds no mark of this video.

    >>> upsert((Interaction("v1", 10, 100), Interaction("v2", 20, 100)), Interaction("v1", 30, 40), limit=2)
    (Interaction(video_id='v2', at_ms=20, weight=100), Interaction(video_id='v1', at_ms=30, weight=40))
    """
    at_ms, video_id = new.at_ms, new.video_id
    if known:
        for old in marks:
            if old.video_id == video_id:
                if (old.at_ms, old.weight) >= (at_ms, new.weight):
                    return marks
                marks = tuple([mark for mark in marks if mark is not old])
                break
    if not marks or marks[-1].at_ms < at_ms:
        return marks[1 - limit :] + (new,)  # noqa: RUF005 - unpacking takes twice as long
    place = bisect(marks, (at_ms, video_id), key=lambda mark: (mark.at_ms, mark.video_id))
    return (*marks[:place], new, *marks[place:])[-limit:]


def upsert_hide(hides: HiddenItems, new: HiddenItem, limit: int) -> HiddenItems:
    """Put a hide into a list that holds the newest of each (video_id, scope), sorted by time, newest last.

    >>> upsert_hide((HiddenItem("v1", 10, "video"),), HiddenItem("v1", 5, "creator"), limit=4)[0].scope
    'creator'
    """
    newest = {(old.video_id, old.scope): old for old in hides}
    rival = newest.get((new.video_id, new.scope))
    if rival is not None and rival.at_ms >= new.at_ms:
        return hides
    newest[(new.video_id, new.scope)] = new
    kept = sorted(newest.values(), key=lambda one: (one.at_ms, one.video_id, one.scope))
    return tuple(kept[-limit:])
