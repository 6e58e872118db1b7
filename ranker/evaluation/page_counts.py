"""Progressive counts as tables of features that tree ensembles are trained on: simple, and hard to beat.

Each of a video, a person, a creator, a tag, both pairs of a person with these, and a surface is counted: how many
exposures it had so far, and how often each outcome came of them.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from ranker.learning.features import KEY_WORTH, PERSON_WORTH, Floats, overall_rates, smoothed
from ranker.learning.learner import Open, labels_of
from ranker.learning.model import Shown
from ranker.profile.outcomes import HEADS

Counts = tuple[int, ...]  # exposures, then how many of them had each outcome [1 + H]
Table = dict[Hashable, Counts]

NOTHING: Counts = (0,) * (1 + len(HEADS))
OF_PERSON = ("person", "person on tag", "person on creator")
OF_ALL = ("video", "creator", "tag", "surface")
WORTH = np.array([PERSON_WORTH] * len(OF_PERSON) + [KEY_WORTH] * len(OF_ALL))[:, None]  # of the overall rates
COUNTED = len(OF_PERSON) + len(OF_ALL)
COLUMNS = COUNTED * (1 + len(HEADS)) + 3  # and the duration, the hour and the surface


class PageCounts:
    """Counts of exposures as they come; a batch is first described, then counted."""

    def __init__(self) -> None:
        self._all: Table = {}
        self._people: defaultdict[str, Table] = defaultdict(dict)
        self._held: dict[str, Table] = {}
        self._surfaces: dict[str, int] = {}
        self._totals: Floats = np.zeros(1 + len(HEADS))

    def features(self, opened: Sequence[Open], shown: Sequence[Shown], *, held: bool = False) -> Floats:
        """What is counted before these exposures [n, COLUMNS].

        held  with the counts of each person as they were when this was asked of them first
        """
        tables = [self._table(one.user_id, held) for one in opened]
        counts = [self._counts(table, seen) for table, seen in zip(tables, shown, strict=True)]
        table = np.array(counts, np.float64).reshape(-1, COUNTED, 1 + len(HEADS))
        rates = smoothed(table, overall_rates(self._totals), WORTH)
        counted = np.concatenate([np.log1p(table[..., :1]), rates], axis=-1).reshape(len(opened), -1)
        return np.concatenate([counted, self._context(shown)], axis=1)

    def count(self, opened: Sequence[Open], shown: Sequence[Shown]) -> None:
        """Count what came of exposures; what is said of one later adds its outcomes alone."""
        for one, seen in zip(opened, shown, strict=True):
            more = (int(one.example.is_first), *labels_of(one.labels))
            for table, keys in ((self._people[one.user_id], person_keys(seen)), (self._all, general_keys(seen))):
                for key in keys:
                    table[key] = tuple(map(sum, zip(table.get(key, NOTHING), more, strict=True)))
            self._totals += more

    def _table(self, user_id: str, held: bool) -> Table:
        if not held:
            return self._people[user_id]
        if user_id not in self._held:
            self._held[user_id] = self._people[user_id].copy()
        return self._held[user_id]

    def _counts(self, person: Table, seen: Shown) -> list[Counts]:
        own = [person.get(key, NOTHING) for key in person_keys(seen)]
        return own + [self._all.get(key, NOTHING) for key in general_keys(seen)]

    def _context(self, shown: Sequence[Shown]) -> Floats:
        """The duration, the hour, and a number for the surface [n, 3]."""
        return np.array(
            [
                (
                    np.log1p(seen.exposure.facts.duration_ms),
                    seen.exposure.hour,
                    self._surfaces.setdefault(seen.exposure.surface, len(self._surfaces)),
                )
                for seen in shown
            ],
            np.float64,
        ).reshape(-1, 3)


def person_keys(seen: Shown) -> list[Hashable]:
    """What of a person's own counts belongs to an exposure, in the order of OF_PERSON."""
    facts = seen.exposure.facts
    return list(zip(OF_PERSON, (None, facts.tag, facts.creator), strict=True))


def general_keys(seen: Shown) -> list[Hashable]:
    """What of everybody's counts belongs to an exposure, in the order of OF_ALL."""
    one = seen.exposure
    return list(zip(OF_ALL, (one.video_id, one.facts.creator, one.facts.tag, one.surface), strict=True))
