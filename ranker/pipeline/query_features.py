"""Query features: what the catalogue makes of a batch of profiles, looked up once and used by every stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import NOBODY, Catalogue, Rows
from ranker.pipeline.pair_keys import Mask, Pairs, Places, is_first, keys_of, turns
from ranker.profile.history import POSITIVE
from ranker.profile.model import Profile, seen_codes

INTERESTS, SKIPS, LIKES = 8, 7, 16  # videos that speak for a person, most; guesses
AT_SKIPS, AT_LIKES, VIDEOS = INTERESTS, INTERESTS + SKIPS, INTERESTS + SKIPS + LIKES  # columns of QueryFeatures.videos
HALF_LIFE_MS = 3 * 86_400_000  # after this an interest counts half; a guess
FOLLOW = 2  # a follow speaks for a creator like so many whole watches; a guess
CREATORS, OFTEN = 4, 200  # creators of one's own, most, and from how many percent of a watch on; guesses
LISTS = ("follows", "watches", "likes", "skips")  # of a profile

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class QueryFeatures:
    """What B people like. Videos that are unknown or withdrawn are left out; −1 stands where there is none."""

    videos: Rows  # [B, 31] with a vector: interests, strongest first; skips, newest first; likes, newest first
    strengths: Floats  # [B, 8] of the interests, the strongest is 1; 0 where there is none
    skipped: "Marked"  # all remembered skips, with or without a vector
    seen: Pairs  # person and code: videos that do not come back
    creators: Pairs  # person and creator
    watch_counts: Floats  # [K] how many whole videos of theirs, place by place of `creators`
    favourite_creators: Rows  # [B, 4] creators whom a person follows or often watches, strongest first

    @property
    def interests(self) -> Rows:
        """The videos near which to look, each on its own [B, 8]."""
        return self.videos[:, :INTERESTS]


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """Interactions of videos that may be shown, of one or more lists: in each one person after another, newest last."""

    of: Places  # [M] place of the person
    rows: Rows  # [M]
    at_ms: NDArray[np.int64]  # [M]
    weights: NDArray[np.int64]  # [M] percent

    def __getitem__(self, which: slice | Mask) -> "Marked":
        """Some of them."""
        return Marked(self.of[which], self.rows[which], self.at_ms[which], self.weights[which])


def query_features(profiles: Sequence[Profile], catalogue: Catalogue) -> QueryFeatures:
    """Look up what the profiles remember."""
    marks, (followed, watched, liked) = marked(profiles, catalogue)
    newest_ms = np.array([profile.newest_ms for profile in profiles], np.int64)
    videos = np.full((len(profiles), VIDEOS), -1, np.int32)
    strengths = put_interests(videos, marks[followed:liked], newest_ms, catalogue)
    put_newest(videos[:, AT_SKIPS:AT_LIKES], marks[liked:], catalogue)
    put_newest(videos[:, AT_LIKES:], marks[watched:liked], catalogue)
    creators, wholes, favourite_creators = creators_of(marks[:watched], followed, len(profiles), catalogue)
    return QueryFeatures(videos, strengths, marks[liked:], seen(profiles), creators, wholes, favourite_creators)


def marked(profiles: Sequence[Profile], catalogue: Catalogue) -> tuple[Marked, list[int]]:
    """What the profiles' LISTS hold, one list after another, and where all but the first begin."""
    lists = [getattr(profile, name) for name in LISTS for profile in profiles]
    marks = [*chain.from_iterable(lists)]
    row_of = catalogue.row_of.get
    rows = np.array([row_of(mark.video_id, -1) for mark in marks], np.int32)
    at_ms = np.array([mark.at_ms for mark in marks], np.int64)
    weights = np.array([mark.weight for mark in marks], np.int64)
    known = rows >= 0
    places = np.arange(len(lists)).repeat([*map(len, lists)])[known]
    begins = places.searchsorted(np.arange(len(profiles), len(lists), len(profiles)))
    return Marked(places % len(profiles), rows[known], at_ms[known], weights[known]), begins.tolist()


def put_interests(videos: Rows, marks: Marked, newest_ms: NDArray[np.int64], catalogue: Catalogue) -> Floats:
    """Put the strongest videos of each person into a table, ties by id; of two marks of a video the stronger counts.

    Returns the strengths [B, 8].
    """
    strength = marks.weights * np.exp2((marks.at_ms - newest_ms[marks.of]) / HALF_LIFE_MS)
    strength[~catalogue.has_vector[marks.rows]] = 0
    pairs = keys_of(marks.of, catalogue.order[marks.rows])
    best = np.lexsort((-strength, pairs))
    best = best[is_first(pairs[best]) & (strength[best] > 0)]
    best = best[np.lexsort((-strength[best], marks.of[best]))]
    turn = turns(marks.of[best])
    best, turn = best[turn < INTERESTS], turn[turn < INTERESTS]
    of, strengths = marks.of[best], np.zeros((len(videos), INTERESTS))
    videos[of, turn], strengths[of, turn] = marks.rows[best], strength[best]
    strongest = strengths[:, :1]
    return (strengths / np.where(strongest > 0, strongest, 1)).astype(np.float32)


def put_newest(videos: Rows, marks: Marked, catalogue: Catalogue) -> None:
    """Put the newest videos of each person that have a vector into a table, newest first; `marks` are of one list."""
    marks = marks[catalogue.has_vector[marks.rows]]
    age = marks.of.searchsorted(marks.of, "right") - np.arange(1, len(marks.of) + 1)
    fits = age < videos.shape[1]
    videos[marks.of[fits], age[fits]] = marks.rows[fits]


def creators_of(marks: Marked, followed: int, count: int, catalogue: Catalogue) -> tuple[Pairs, Floats, Rows]:
    """Creators whose videos were followed (the first marks) or watched, how much, and each person's own [B, 4].

    Equally strong ones come in the order of the marks.
    """
    creators, worth = catalogue.creator[marks.rows], marks.weights.copy()
    worth[:followed] *= FOLLOW
    counts = ((marks.weights >= POSITIVE) & (creators != NOBODY)).nonzero()[0]
    pairs = keys_of(marks.of[counts], creators[counts])
    order = pairs.argsort(kind="stable")
    pairs, counts = pairs[order], counts[order]
    starts = is_first(pairs).nonzero()[0]
    first = counts[starts]  # mark of each pair
    total = np.add.reduceat(worth[counts], starts) if len(starts) else worth[:0]
    often = (total >= OFTEN).nonzero()[0]
    often = often[np.lexsort((first[often], -total[often], marks.of[first[often]]))]
    of, favourite_creators = marks.of[first[often]], np.full((count, CREATORS), NOBODY, np.int32)
    turn = turns(of)
    fits = turn < CREATORS
    favourite_creators[of[fits], turn[fits]] = creators[first[often]][fits]
    return Pairs(pairs[starts]), (total / 100).astype(np.float32), favourite_creators


def seen(profiles: Sequence[Profile]) -> Pairs:
    """Person and code of the last videos that each person saw."""
    codes = [seen_codes(profile) for profile in profiles]
    return Pairs(keys_of(np.arange(len(codes)).repeat([*map(len, codes)]), np.concatenate(codes)))
