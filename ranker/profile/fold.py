"""Folding: how what people do becomes their profiles.

The bounded lists, the counts and `newest_ms` do not depend on the order in which events arrive, as long as
none is late. `origin`, `applied`, `recent_ids`, `counters` and the order of `seen` follow arrival.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Literal
from zlib import crc32

import msgspec
from msgspec.structs import replace

from ranker.profile.codec import pack
from ranker.profile.counters import Counted, Counters, count
from ranker.profile.event_ids import PAGE_BYTES, EventIds, Page
from ranker.profile.example import Example
from ranker.profile.history import (
    FOLLOWS,
    HIDES,
    LIKES,
    POSITIVE,
    SKIPS,
    WATCHES,
    HiddenItem,
    Interaction,
    upsert,
    upsert_hide,
    weight_of,
)
from ranker.profile.model import EMPTY, RECENT_BYTES, SEEN, SEEN_BYTES, Origin, Profile
from ranker.profile.outcomes import outcome_of
from schemas.messages.feedback import KIND_OF, Feedback, Follow, Hide, Watch

new_digest = blake2b(digest_size=RECENT_BYTES).copy  # half of what making one costs
ALL_SEEN = SEEN * SEEN_BYTES

Verdict = Literal["new", "repeat", "late"]
NOBODY: Mapping[str, Profile] = {}
NO_EVENT_IDS: Mapping[str, EventIds] = {}
Paged = Callable[[bytes], bool]


def no_pages(_: bytes) -> bool:
    """The answer for a person without pages."""
    return False


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """An event with the place at which it was read; where it was sent on, with its first partition and offset too."""

    event: Feedback
    topic: str
    partition: int
    offset: int
    rerouted_from: tuple[int, int] | None = None


class FoldedBatch(msgspec.Struct):
    """What a batch did to the profiles, packed as they are stored, and what of it was refused."""

    changed: dict[str, bytes]  # by user id, in order of first arrival
    late: list[Arrival]
    repeats: list[Arrival]
    first_positives: list[Arrival]  # person by person, each person's in their order
    reached: dict[int, int]  # partition → newest offset that was applied
    newest_ms: int  # event time of the newest event that was applied; 0 where none was
    pages: dict[str, list[Page]]  # by user id: ids that were cut off; confirmed before the profiles are sent
    examples: list[tuple[str, Example]]  # with their user ids, by place


def fold(state: Profile, event: Feedback, origin: Origin) -> Profile:
    """The profile after one event. Pure; whether the event is new is for `verdict` to say, and no id is cut off."""
    return _fold(state, event, origin, _id_digest(event.event_id))[0]


def _fold(
    state: Profile,
    event: Feedback,
    origin: Origin,
    id_digest: bytes,
    rerouted_from: tuple[int, int] | None = None,
    base: int = 0,
) -> tuple[Profile, bool, Counted]:
    """The profile after an event, whether it is the first positive one for its video, and how it was counted.

    It is one long function because calls between short ones would be a third of its time.
    """
    watches, likes, skips, follows = state.watches, state.likes, state.skips, state.follows
    hides, seen, newest_ms = state.hides, state.seen, state.newest_ms
    video_id, at_ms, kind = event.video_id, event.at_ms, type(event)
    entry, at, known, code = b"", -1, False, 0
    if video_id:
        code = crc32(video_id.encode())
        entry = code.to_bytes(SEEN_BYTES, "little")
        at = seen.find(entry)
        if at > 0:
            at = _aligned(seen, entry, at)
        # A video that is not among the seen is in no list, unless it was seen long ago and is forgotten there. To read
        # through the lists for each event would cost more than all else: their marks lie all over the memory.
        known = at >= 0 or len(seen) == ALL_SEEN
    weight = weight_of(event)
    first = weight >= POSITIVE and not (known and _speaks_for(state, video_id))
    if kind is Watch:
        if weight:  # a watch of nothing is no more than an impression
            watches = upsert(watches, Interaction(video_id, at_ms, weight), WATCHES, known)
    elif kind is Follow:
        follows = upsert(follows, Interaction(video_id, at_ms, weight), FOLLOWS, known)
    elif weight > 0:
        likes = upsert(likes, Interaction(video_id, at_ms, weight), LIKES, known)
    elif weight:
        skips = upsert(skips, Interaction(video_id, at_ms, -weight), SKIPS, known)
    elif type(event) is Hide:
        hides = upsert_hide(hides, HiddenItem(video_id, at_ms, event.scope or "video"), HIDES)
    counted = Counted(state.counters, False, 0)
    if (bits := outcome_of(event)) is not None:
        counted = count(state.counters, bits, code, at_ms, event.surface or "", at >= 0)
    applied, counts, name = state.applied.copy(), state.counts.copy(), KIND_OF[kind]
    if base + origin.offset > applied.get(origin.partition, -1):
        applied[origin.partition] = base + origin.offset
    if rerouted_from is not None:  # a partition that sends events on has a number of its own, below zero
        applied[~rerouted_from[0]] = base + rerouted_from[1]
    counts[name] = counts.get(name, 0) + 1
    after = Profile(
        state.version + 1,
        at_ms if at_ms > newest_ms else newest_ms,
        origin,
        applied,
        watches,
        likes,
        skips,
        hides,
        follows,
        (seen + entry if at < 0 else seen[:at] + seen[at + SEEN_BYTES :] + entry)[-ALL_SEEN:],
        state.recent_ids + id_digest,
        counts,
        counted.counters,
    )
    return after, first, counted


def _id_digest(event_id: str | None) -> bytes:
    """The id as `Profile.recent_ids` has it; empty where there is none."""
    if event_id is None:
        return b""
    digest = new_digest()
    digest.update(event_id.encode())
    return digest.digest()


def _aligned(entries: bytes, entry: bytes, at: int) -> int:
    """Where an entry lies in a row of entries of its length, found at `at` or later; -1 if nowhere."""
    while at > 0 and at % len(entry):  # a match across two entries is none
        at = entries.find(entry, at + 1)
    return at


def verdict(state: Profile, arrival: Arrival, late_ms: int, paged: Paged = no_pages) -> Verdict:
    """Whether an event is new, a repeat, or older than the person's newest by more than `late_ms`.

    paged  whether an id is in the person's pages; asked last, since what is in a page that has gone is late
    """
    return _verdict(state, arrival, late_ms, _id_digest(arrival.event.event_id), paged)


def _verdict(state: Profile, arrival: Arrival, late_ms: int, id_digest: bytes, paged: Paged, base: int = 0) -> Verdict:
    applied = state.applied
    if base + arrival.offset <= applied.get(arrival.partition, -1):
        return "repeat"
    if arrival.rerouted_from is not None:
        partition, offset = arrival.rerouted_from
        if base + offset <= applied.get(~partition, -1):
            return "repeat"
    if id_digest:
        at = state.recent_ids.find(id_digest)
        if at >= 0 and _aligned(state.recent_ids, id_digest, at) >= 0:
            return "repeat"
    if arrival.event.at_ms < state.newest_ms - late_ms:
        return "late"
    return "repeat" if id_digest and paged(id_digest) else "new"


def fold_batch(
    profiles: Mapping[str, Profile],
    arrivals: Iterable[Arrival],
    late_ms: int,
    restarted: Mapping[str, Profile] = NOBODY,
    event_ids: Mapping[str, EventIds] = NO_EVENT_IDS,
    base: int = 0,
    for_learning: bool = False,
) -> FoldedBatch:
    """Apply a batch, person by person; what is given stays as it is, and an unknown person starts empty.

    A person in `restarted` starts from that profile instead: they come back after an erasure. `event_ids` are the pages
    that are confirmed. A profile is many small objects all over the memory: to open it from its bytes, fold and pack it
    at once is cheaper than to return to it. So `profiles` does best to open one when it is asked, and to keep none.

    base          what the offsets of the present topic are counted from, see `offset_base`
    for_learning  whether examples are made
    """
    batch = FoldedBatch({}, [], [], [], {}, 0, {}, [])
    reached, newest_ms = batch.reached, 0
    for user_id, theirs in _by_person(arrivals).items():
        before = restarted.get(user_id) or profiles.get(user_id, EMPTY)
        memory = Memory(event_ids.get(user_id))
        state = before
        for arrival in theirs:
            event = arrival.event
            id_digest = _id_digest(event.event_id)
            found = _verdict(state, arrival, late_ms, id_digest, memory.holds, base)
            if found == "new":
                counters = state.counters
                state, first, counted = _fold(state, event, _origin(arrival), id_digest, arrival.rerouted_from, base)
                if for_learning and (counted.is_first or counted.labels):
                    batch.examples.append((user_id, _example(arrival, counters, counted, base)))
                if len(state.recent_ids) >= 2 * PAGE_BYTES:
                    state = memory.cut(state)
                if first:
                    batch.first_positives.append(arrival)
                if event.at_ms > newest_ms:
                    newest_ms = event.at_ms
                if arrival.offset > reached.get(arrival.partition, -1):
                    reached[arrival.partition] = arrival.offset
            elif found == "late":
                batch.late.append(arrival)
            else:
                batch.repeats.append(arrival)
        if state.version != before.version:
            batch.changed[user_id] = pack(state)
            if memory.cut_off:
                batch.pages[user_id] = memory.cut_off
    batch.newest_ms = newest_ms
    batch.examples.sort(key=lambda one: one[1].place)
    return batch


class Memory:
    """The event ids of one person while a batch of theirs is folded."""

    __slots__ = ("_fresh", "_paged", "cut_off")

    def __init__(self, paged: EventIds | None) -> None:
        self._paged = paged  # confirmed before this batch
        self._fresh: EventIds | None = None  # cut off in this batch
        self.cut_off: list[Page] = []

    def holds(self, digest: bytes) -> bool:
        """Whether a page has this id."""
        if self._paged is None and self._fresh is None:
            return False
        if self._paged is not None and self._paged.holds(digest, len(self.cut_off)):
            return True
        return self._fresh is not None and self._fresh.holds(digest)

    def cut(self, state: Profile) -> Profile:
        """The profile without its oldest 64 ids, which become a page."""
        page = Page(state.version, state.newest_ms, state.recent_ids[:PAGE_BYTES])
        self._fresh = self._fresh or EventIds()
        self._fresh.add(page)
        self.cut_off.append(page)
        return replace(state, recent_ids=state.recent_ids[PAGE_BYTES:])


def _example(arrival: Arrival, before: Counters, counted: Counted, base: int) -> Example:
    event, place = arrival.event, base + arrival.offset
    return Example(place, event.video_id, event.at_ms, counted.labels, counted.is_first, event.surface or "", before)


def _origin(arrival: Arrival) -> Origin:
    event = arrival.event
    return Origin(event.event_id, arrival.topic, arrival.partition, arrival.offset, event.at_ms)


def _by_person(arrivals: Iterable[Arrival]) -> dict[str, list[Arrival]]:
    people: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        user_id = arrival.event.user_id
        if (theirs := people.get(user_id)) is None:
            people[user_id] = [arrival]
        else:
            theirs.append(arrival)
    return people


def _speaks_for(state: Profile, video_id: str) -> bool:
    for known in state.watches:
        if known.video_id == video_id and known.weight >= POSITIVE:
            return True
    for known in state.likes:
        if known.video_id == video_id:
            return True
    return any(known.video_id == video_id for known in state.follows)
