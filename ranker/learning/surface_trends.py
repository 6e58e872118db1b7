"""What many people finish at present on each surface, from the counters that the learner keeps of videos there."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.top_lists import TOP_LENGTH
from ranker.learning.fields import FIELD_NAMES, split_by_surface
from ranker.learning.parameters import RECENT_S, Parameters

Rows = NDArray[np.int32]

ON_SURFACE = FIELD_NAMES.index("video on surface")
LEAST = 0.05  # finishes: what is left of one after a day


class SurfaceTrends:
    """The videos of a catalogue that are finished most on a surface of late (half-life RECENT_S), best first."""

    def __init__(self, catalogue: Catalogue, parameters: Parameters) -> None:
        self._catalogue, self._parameters = catalogue, parameters
        self._rows: dict[str, list[int]] = defaultdict(list)  # of the parameters, by surface
        self._seen = 0  # of the rows that got a key
        self._generation = 0
        self._of: object = None  # what the lists are right for
        self._tops: dict[str, Rows] = {}

    def top(self, surface: str) -> Rows:
        """At most TOP_LENGTH rows of the catalogue."""
        self._refresh()
        found = self._tops.get(surface)
        if found is None:
            found = self._tops[surface] = self._top(self._rows.get(surface, []))
        return found

    def _refresh(self) -> None:
        parameters, catalogue = self._parameters, self._catalogue
        of = parameters.generation, parameters.batches, catalogue.compactions, catalogue.size, catalogue.retirements
        if of == self._of:
            return
        if parameters.generation != self._generation:
            self._rows.clear()
            named, self._generation = [*parameters.row_of.values()], parameters.generation
        else:
            named = parameters.named[self._seen :]
        self._seen, self._of = len(parameters.named), of
        self._tops.clear()
        for row in named:
            field, key = parameters.keys[row]
            if field == ON_SURFACE:
                self._rows[split_by_surface(key)[0]].append(row)

    def _top(self, rows: list[int]) -> Rows:
        parameters, at = self._parameters, np.array(rows, np.int64)
        lately = parameters.recent[at] * 2.0 ** ((parameters.met[at] - parameters.tick) / RECENT_S)
        best = np.flatnonzero(lately >= LEAST)
        if len(best) > 2 * TOP_LENGTH:  # some may have been withdrawn
            best = best[np.argpartition(-lately[best], 2 * TOP_LENGTH)[: 2 * TOP_LENGTH]]
        ids = [split_by_surface(parameters.keys[row][1])[1] for row in at[best].tolist()]
        ordered = sorted(zip((-lately[best]).tolist(), ids, strict=True))
        return self._catalogue.rows([video_id for _, video_id in ordered])[:TOP_LENGTH]
