"""Counts of slates: what two ways of ranking show the same people, folded as it comes; no slate is kept but the newest.

All that is a sum is kept by person and activity group, so that people can be drawn.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import isfinite
from sys import intern
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import UNNAMED, Catalogue
from ranker.evaluation.bootstrap import Floats
from ranker.evaluation.figures import GROUPS
from ranker.evaluation.slate_figures import gain_at, intra_list_distance, overlap_at, rank_biased_overlap, surprise
from ranker.profile.example import Example
from ranker.profile.outcomes import FINISHED
from schemas.messages.recommendations import Recommendation

TOP = 10  # places of the figures that are not of whole slates
SIDES = ("A", "B")
NUMBER_BITS = 32
PACKED_AT_ONCE = 100_000  # places; what is packed takes 16 bytes for each person and video
LEAST = [group.least for group in GROUPS]

Key = tuple[str, ...]


class Pair(NamedTuple):
    """The slates of A and of B for one person after one event."""

    a: Recommendation
    b: Recommendation


Shows = tuple[tuple[str, ...], tuple[str, ...]]  # the ids of the videos on A's slate and on B's, best first


class Sums:
    """Sums by name, for each person and activity group."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], int] = {}  # by number of the person and of the group
        self.columns: dict[Key, int] = {}
        self._values = np.zeros((64, 64))

    def add(self, person: int, group: int, values: Mapping[Key, float]) -> None:
        """Add values to the sums of a person in a group."""
        row = self.rows.setdefault((person, group), len(self.rows))
        columns = [self.columns.setdefault(key, len(self.columns)) for key in values]
        self._reach(len(self.rows), len(self.columns))
        for column, value in zip(columns, values.values(), strict=True):
            self._values[row, column] += value

    def of(self, key: Key, people: int, group: int | None = None) -> Floats:
        """The sum of each person [P], of one group or of all."""
        found = np.zeros(people)
        if (column := self.columns.get(key)) is None:
            return found
        places = np.array([*self.rows], np.int64).reshape(-1, 2)
        chosen = slice(None) if group is None else places[:, 1] == group
        np.add.at(found, places[chosen, 0], self._values[: len(places), column][chosen])
        return found

    def _reach(self, rows: int, columns: int) -> None:
        for axis, wanted in enumerate((rows, columns)):
            if wanted > self._values.shape[axis]:
                self._values = np.concatenate([self._values, np.zeros_like(self._values)], axis)


class Shown:
    """How often each person was shown each of something: videos, or creators."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}
        self._new: list[int] = []  # a person's number and that of what was shown, in one
        self._packed, self._counts = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, person: int, shown: Iterable[Hashable]) -> None:
        """Count what a slate shows."""
        self._new += [person << NUMBER_BITS | self.numbers.setdefault(one, len(self.numbers)) for one in shown]
        if len(self._new) >= PACKED_AT_ONCE:
            self._pack()

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """People, what they were shown, and how often; all [n]."""
        self._pack()
        return self._packed >> NUMBER_BITS, self._packed & ((1 << NUMBER_BITS) - 1), self._counts

    def _pack(self) -> None:
        every = np.concatenate([self._packed, np.array(self._new, np.int64)])
        times = np.concatenate([self._counts, np.ones(len(self._new), np.int64)])
        self._packed, places = np.unique(every, return_inverse=True)
        self._counts = np.bincount(places, times, len(self._packed)).astype(np.int64)
        self._new.clear()


class Person:
    """What is known of a person while the log goes on."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        self.newest: Shows | None = None
        self.video_id = ""  # of the newest exposure
        self.offered: Shows | None = None  # before it, where its video was new to the person
        self.group = 0  # activity group before it


class SlateCounts:
    """Folds exposures and pairs of slates, in the order of the log, into counts.

    catalogue  whose vectors and creators are looked up
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.sums = Sums()
        self.videos = {side: Shown() for side in SIDES}
        self.creators = {side: Shown() for side in SIDES}
        self.numbers: dict[str, int] = {}  # of people who have a pair of slates
        self.slates = self.identical = 0
        self.alone = dict.fromkeys(SIDES, 0)  # slates that the other side did not make
        self._people: defaultdict[str, Person] = defaultdict(Person)
        self._met_by: Counter[str] = Counter()

    def meet(self, user_id: str, example: Example) -> None:
        """Take in what was said of an exposure: it is what the person's newest slates before it are tried on."""
        person = self._people[user_id]
        if example.is_first:
            self._open(user_id, person, example.video_id)
        if example.labels & FINISHED and example.video_id == person.video_id and person.offered:
            self._try("finish", user_id, person, person.offered)

    def show(self, user_id: str, pair: Pair) -> None:
        """Take in the slates after an event."""
        person = self._people[user_id]
        person.newest = _ids(pair.a), _ids(pair.b)
        number = self.numbers.setdefault(user_id, len(self.numbers))
        of_sides = {side: self._of_slate(side, number, slate) for side, slate in zip(SIDES, pair, strict=True)}
        values = {(side, *key): value for side, found in of_sides.items() for key, value in found.items()}
        self.slates += 1
        self.identical += person.newest[0] == person.newest[1]
        self.sums.add(number, _group(person), values | _alike(*person.newest))

    def forget(self, user_id: str) -> None:
        """A person was erased: what they met is unknown from now on."""
        if person := self._people.pop(user_id, None):
            self._met_by.subtract(person.met)

    def _open(self, user_id: str, person: Person, video_id: str) -> None:
        is_new = video_id not in person.met
        person.video_id, person.group = video_id, _group(person)
        person.offered = person.newest if is_new else None
        if is_new:
            person.met.add(video_id)
            self._met_by[video_id] += 1
        if person.offered:
            self._try("next", user_id, person, person.offered)

    def _try(self, target: str, user_id: str, person: Person, offered: Shows) -> None:
        """Count whether what the person met stood on their slates."""
        values: dict[Key, float] = {("targets", target): 1.0}
        for side, ids in zip(SIDES, offered, strict=True):
            rank = ids.index(person.video_id) + 1 if person.video_id in ids else None
            values[side, target, "hit@10"] = float(rank is not None and rank <= TOP)
            values[side, target, "ndcg@10"] = gain_at(rank, TOP)
            values[side, target, "hit"] = float(rank is not None)
            values[side, target, "ndcg"] = gain_at(rank)
        self.sums.add(self.numbers[user_id], person.group, values)

    def _of_slate(self, side: str, number: int, slate: Recommendation) -> dict[Key, float]:
        """What one slate adds to the sums, and to what its side has shown."""
        ids = [item.video_id for item in slate.items]
        rows = self._catalogue.rows(ids)
        creators = self._catalogue.creator[rows]
        self.videos[side].add(number, ids)
        self.creators[side].add(number, creators[creators != UNNAMED].tolist())
        distance = intra_list_distance(self._catalogue.vectors[rows[self._catalogue.has_vector[rows]]])
        people = len(self._people)
        has_distance = isfinite(distance)
        return {
            ("slates",): 1.0,
            ("places",): float(len(ids)),
            ("distances",): float(has_distance),
            ("distance",): distance if has_distance else 0.0,
            ("novelty",): sum(surprise(self._met_by[one], people) for one in ids),
            ("degraded",): float(bool(slate.degraded)),
            **_shares(slate),
        }


def _ids(slate: Recommendation) -> tuple[str, ...]:
    """The ids of a slate's videos; equal ones are one object, since a person's are held until their next slate."""
    return tuple(intern(item.video_id) for item in slate.items)


def _shares(slate: Recommendation) -> dict[Key, float]:
    """Places by source and by first reason; a place that several sources proposed is parted among them."""
    found: defaultdict[Key, float] = defaultdict(float)
    for item in slate.items:
        for source in item.sources:
            found["source", source] += 1 / len(item.sources)
        found["reason", item.reasons[0].code if item.reasons else "none"] += 1
    return found


def _alike(one: Sequence[str], other: Sequence[str]) -> dict[Key, float]:
    return {
        ("pairs",): 1.0,
        ("overlap@10",): overlap_at(TOP, one, other),
        ("overlap",): overlap_at(max(len(one), len(other)), one, other),
        ("rbo",): rank_biased_overlap(one, other),
        ("identical",): float([*one] == [*other]),
    }


def _group(person: Person) -> int:
    """Number of the activity group: by how many videos the person has met so far."""
    return int(np.searchsorted(LEAST, len(person.met), "right")) - 1
