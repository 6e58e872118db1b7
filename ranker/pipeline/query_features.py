"""Query features: what the catalogue knows of a batch of profiles, looked up once and used by every stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Floats, Keys, Mask, Places, Rows
from ranker.catalogue.catalogue import UNNAMED, Catalogue
from ranker.pipeline.kernel import calls, switch
from ranker.pipeline.pair_keys import Pairs, is_first, keys_of, place_within
from ranker.profile.history import POSITIVE
from ranker.profile.model import Profile, seen_codes

INTERESTS, SKIPS, LIKES = 8, 7, 16  # most videos of each kind that a person is compared by; guesses
SKIPS_START, LIKES_START = INTERESTS, INTERESTS + SKIPS  # columns of QueryFeatures.videos
VIDEOS = INTERESTS + SKIPS + LIKES
HALF_LIFE_MS = 3 * 86_400_000  # after this an interest counts half; a guess
FOLLOW_WEIGHT = 2  # a follow speaks for a creator as much as so many whole watches; a guess
FAVOURITES = 4  # most favourite creators of a person; a guess
FAVOURITE_PERCENT = 200  # a creator is a favourite from two whole watches, or one follow, on; a guess
LISTS = ("follows", "watches", "likes", "skips")  # of a profile, in the order in which they are looked up

Strengths = NDArray[np.float64]  # [M] of interactions


@dataclass(frozen=True, slots=True, eq=False)
class QueryFeatures:
    """What B people like. Videos that are unknown or withdrawn are left out; −1 stands for no video."""

    videos: Rows  # [B, 31] with a vector: interests, strongest first; skips, newest first; likes, newest first
    strengths: Floats  # [B, 8] of the interests: the strongest has 1, an empty column 0
    next_interest: Rows  # [B] the ninth, which comes in where one of the others goes
    next_strength: Floats  # [B]
    skipped: "InteractionColumns"  # all remembered skips, with or without a vector
    seen: Pairs  # query and code of the videos that are not shown again
    creators: Pairs  # query and creator, of the creators whom the person follows or watched
    watch_counts: Floats  # [K] whole watches of each, place by place of `creators.keys`
    favourite_creators: Rows  # [B, 4] creators whom a person follows or often watches, strongest first

    @property
    def interests(self) -> Rows:
        """The videos whose neighbours are candidates, each searched on its own [B, 8]."""
        return self.videos[:, :INTERESTS]


@dataclass(frozen=True, slots=True, eq=False)
class InteractionColumns:
    """Interactions with videos that may be shown, of one or more lists: in each by query, then oldest first."""

    query: Places  # [M] place in the batch
    rows: Rows  # [M]
    at_ms: NDArray[np.int64]  # [M]
    weights: NDArray[np.int64]  # [M] percent

    def __getitem__(self, which: slice | Mask) -> "InteractionColumns":
        """Some of the interactions."""
        return InteractionColumns(self.query[which], self.rows[which], self.at_ms[which], self.weights[which])


def query_features(profiles: Sequence[Profile], catalogue: Catalogue) -> QueryFeatures:
    """Look up what the profiles remember."""
    interactions, starts = look_up(profiles, catalogue)
    newest_ms = np.array([profile.newest_ms for profile in profiles], np.int64)
    strength = strengths_of(interactions, newest_ms, catalogue)
    found = (_compiled if switch.is_used() else _by_numpy)(interactions, starts, strength, len(profiles), catalogue)
    return QueryFeatures(
        found.videos,
        found.strengths[:, :INTERESTS],
        found.following,
        found.strengths[:, INTERESTS],
        interactions[starts[-1] :],
        seen_pairs(profiles),
        Pairs(found.creators),
        found.watches,
        found.favourites,
    )


def _by_numpy(
    interactions: InteractionColumns, starts: Sequence[int], strength: Strengths, count: int, catalogue: Catalogue
) -> calls.People:
    watches, likes, skips = starts
    videos = np.full((count, VIDEOS), -1, np.int32)
    strengths, following = put_interests(videos, interactions[watches:skips], strength[watches:skips], catalogue)
    put_newest(videos[:, SKIPS_START:LIKES_START], interactions[skips:], catalogue)
    put_newest(videos[:, LIKES_START:], interactions[likes:skips], catalogue)
    return calls.People(videos, strengths, following, *creators_of(interactions[:likes], watches, count, catalogue))


def _compiled(
    interactions: InteractionColumns, starts: Sequence[int], strength: Strengths, count: int, catalogue: Catalogue
) -> calls.People:
    marks = interactions.query, interactions.rows, interactions.weights, strength
    columns = catalogue.has_vector, catalogue.order, catalogue.creator
    return calls.people(marks, starts, columns, (count, VIDEOS, INTERESTS, FAVOURITES))


def look_up(profiles: Sequence[Profile], catalogue: Catalogue) -> tuple[InteractionColumns, list[int]]:
    """What the profiles' LISTS hold, one list after another, and where each list but the first begins."""
    lists = [getattr(profile, name) for name in LISTS for profile in profiles]
    interactions = [*chain.from_iterable(lists)]
    row_of, count = catalogue.row_of.get, len(interactions)
    rows = np.fromiter([row_of(interaction.video_id, -1) for interaction in interactions], np.int32, count)
    at_ms = np.fromiter([interaction.at_ms for interaction in interactions], np.int64, count)
    weights = np.fromiter([interaction.weight for interaction in interactions], np.int64, count)
    known = rows >= 0
    places = np.arange(len(lists)).repeat([*map(len, lists)])[known]
    starts = places.searchsorted(np.arange(len(profiles), len(lists), len(profiles)))
    return InteractionColumns(places % len(profiles), rows[known], at_ms[known], weights[known]), starts.tolist()


def put_interests(
    videos: Rows, interactions: InteractionColumns, strength: Strengths, catalogue: Catalogue
) -> tuple[Floats, Rows]:
    """Write the strongest videos of each person into `videos`, ties by id; a video counts by its strongest interaction.

    Returns the strengths of one more [B, 9], and which that is [B].
    """
    pairs = keys_of(interactions.query, catalogue.order[interactions.rows])
    best = np.lexsort((-strength, pairs))
    best = best[is_first(pairs[best]) & (strength[best] > 0)]
    best = best[np.lexsort((-strength[best], interactions.query[best]))]
    column = place_within(interactions.query[best])
    best, column = best[column <= INTERESTS], column[column <= INTERESTS]
    query, rows = interactions.query[best], np.full((len(videos), INTERESTS + 1), -1, np.int32)
    strengths = np.zeros(rows.shape)
    rows[query, column], strengths[query, column] = interactions.rows[best], strength[best]
    videos[:, :INTERESTS] = rows[:, :INTERESTS]
    strongest = strengths[:, :1]
    return (strengths / np.where(strongest > 0, strongest, 1)).astype(np.float32), rows[:, INTERESTS]


def strengths_of(interactions: InteractionColumns, newest_ms: NDArray[np.int64], catalogue: Catalogue) -> Strengths:
    """How strongly each interaction speaks for its video, 0 where that has no vector [M]."""
    age = (interactions.at_ms - newest_ms[interactions.query]) / HALF_LIFE_MS
    strength: Strengths = np.exp2(age) * interactions.weights
    strength[~catalogue.has_vector[interactions.rows]] = 0
    return strength


def put_newest(videos: Rows, interactions: InteractionColumns, catalogue: Catalogue) -> None:
    """Write each person's newest videos that have a vector into `videos`; the interactions are of one list."""
    interactions = interactions[catalogue.has_vector[interactions.rows]]
    query = interactions.query
    column = query.searchsorted(query, "right") - np.arange(1, len(query) + 1)
    fits = column < videos.shape[1]
    videos[query[fits], column[fits]] = interactions.rows[fits]


def creators_of(
    interactions: InteractionColumns, follows: int, count: int, catalogue: Catalogue
) -> tuple[Keys, Floats, Rows]:
    """Creators whose videos were followed or watched, how many whole watches, and each person's favourites [B, 4].

    The first `follows` interactions are follows. Equally strong favourites keep the order of the interactions.
    """
    creators, percent = catalogue.creator[interactions.rows], interactions.weights.copy()
    percent[:follows] *= FOLLOW_WEIGHT
    counted = ((interactions.weights >= POSITIVE) & (creators != UNNAMED)).nonzero()[0]
    pairs = keys_of(interactions.query[counted], creators[counted])
    order = pairs.argsort(kind="stable")
    pairs, counted = pairs[order], counted[order]
    starts = is_first(pairs).nonzero()[0]
    first = counted[starts]  # interaction of each pair
    total = np.add.reduceat(percent[counted], starts) if len(starts) else percent[:0]
    often = (total >= FAVOURITE_PERCENT).nonzero()[0]
    often = often[np.lexsort((first[often], -total[often], interactions.query[first[often]]))]
    query, favourites = interactions.query[first[often]], np.full((count, FAVOURITES), UNNAMED, np.int32)
    column = place_within(query)
    fits = column < FAVOURITES
    favourites[query[fits], column[fits]] = creators[first[often]][fits]
    return pairs[starts], (total / 100).astype(np.float32), favourites


def seen_pairs(profiles: Sequence[Profile]) -> Pairs:
    """Query and code of the last videos that each person saw."""
    codes = [seen_codes(profile) for profile in profiles]
    return Pairs(keys_of(np.arange(len(codes)).repeat([*map(len, codes)]), np.concatenate(codes)))
