"""What the counts of a catalogue were at earlier ticks, so that queries of several ticks are ranked together.

Only a replay keeps any: its ticks are one or two events apart. The videos are the same at all of them.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Floats, Places, Rows

if TYPE_CHECKING:
    from ranker.catalogue.catalogue import Catalogue
    from ranker.catalogue.top_lists import TopLists


class Moments:
    """The ticks that are kept, and what was overwritten since the first of them."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Keep none."""
        self.tops: list[TopLists] = []
        self._people_per_unit: list[float] = []
        self._is_new = True  # the present tick is not among them
        self._overwritten: dict[tuple[int, int], tuple[float, float]] = {}  # by row and the last tick of these counts

    def tick(self) -> None:
        """Another tick has begun."""
        self._is_new = True

    def keep(self, catalogue: "Catalogue") -> int:
        """Keep the present tick of a catalogue; returns its place."""
        if self._is_new:
            self.tops.append(catalogue.tops)
            self._people_per_unit.append(catalogue.people_per_unit)
            self._is_new = False
        return len(self.tops) - 1

    def note(self, row: int, units: NDArray[np.float64], total: Floats) -> None:
        """These counts of a row are about to be overwritten."""
        if self.tops:
            self._overwritten.setdefault((row, len(self.tops) - 1), (float(units[row]), float(total[row])))

    def counts(self, rows: Rows, moments: Places, catalogue: "Catalogue") -> tuple[Floats, Floats]:
        """Trend and popularity of rows of this catalogue, each at a moment [N]."""
        units, totals = catalogue.decayed_units[rows], catalogue.total_popularity[rows]
        if self._overwritten:
            keys, before = self._sorted()
            places = keys.searchsorted(rows.astype(np.int64) << 32 | moments)  # the first that was overwritten since
            changed = np.flatnonzero((keys.take(places, mode="clip") >> 32 == rows) & (places < len(keys)))
            units[changed], totals[changed] = before[places[changed]].T
        people = units * np.array(self._people_per_unit)[moments]
        return np.log2(1.0 + people).astype(np.float32), totals

    def _sorted(self) -> tuple[Places, NDArray[np.float64]]:
        found = sorted(self._overwritten.items())
        keys = np.array([row << 32 | moment for (row, moment), _ in found], np.int64)
        return keys, np.array([counts for _, counts in found])
