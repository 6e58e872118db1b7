"""The learned parameters as the videos of a catalogue have them, looked up once for each surface.

What is learned of a video adds up to one number per head, which changes only when the parameters do. So a candidate
costs one gather, and the features behind it are looked up for those alone that somebody asks about.
"""

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import VideoFacts
from ranker.learning.features import FEATURES, RATES, features, overall_rates
from ranker.learning.fields import FIELDS, Exposure, hour_of
from ranker.learning.parameters import Parameters
from ranker.profile.outcomes import HEADS

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Videos = NDArray[np.int32]

CONTEXT = [place for place, field in enumerate(FIELDS) if field.part == "context"]
VIDEO = [place for place, field in enumerate(FIELDS) if field.part == "video"]
OF_VIDEO = [place for place, feature in enumerate(FEATURES) if feature.part == "video"]
OF_CONTEXT = [place for place, feature in enumerate(FEATURES) if feature.part == "context"]
NO_PERSON = np.zeros((1, len(HEADS), len(FEATURES) - RATES.stop))
SPARE = 2048  # rows by which a table grows


class SurfaceTable:
    """Of one surface, by row of the catalogue: the rows of its keys, and what they add up to in log-odds."""

    def __init__(self) -> None:
        self.rows: Rows = np.zeros((0, len(FIELDS)), np.int64)
        self.logits: Floats = np.zeros((0, len(HEADS)))
        self.filled = 0


class ParameterView:
    """What the parameters say of the videos of a catalogue; what either side gets new is looked up once."""

    def __init__(self, catalogue: Catalogue, parameters: Parameters) -> None:
        self.parameters, self._catalogue = parameters, catalogue
        self._tables: dict[str, SurfaceTable] = {}
        self._contexts: dict[tuple[str, int], Floats] = {}  # by surface and hour
        self._of = (0, 0)  # compactions and learned batches for which the tables are right

    def logits(self, videos: Videos, surface: str) -> Floats:
        """What speaks for videos on a surface, beside what is the same for all [N, H]."""
        found: Floats = self._table(surface).logits[videos]
        return found

    def context(self, surface: str, at_ms: int) -> Floats:
        """What is the same for all videos on a surface at a time [H]."""
        self._refresh()
        key = surface, hour_of(at_ms)
        found = self._contexts.get(key)
        if found is None:
            rows = np.zeros((1, len(FIELDS)), np.int64)
            here = Exposure("", VideoFacts(), *key)
            rows[0, CONTEXT] = [self.parameters.row(place, FIELDS[place].key(here)) for place in CONTEXT]
            found = (self._features(rows) * self.parameters.weights)[0][:, OF_CONTEXT].sum(axis=1)
            self._contexts[key] = found
        return found

    def details(self, videos: Videos, surface: str) -> Floats:
        """The features behind `logits`, each times its weight [N, H, those of videos]."""
        found: Floats = (self._features(self._table(surface).rows[videos]) * self.parameters.weights)[..., OF_VIDEO]
        return found

    def _features(self, rows: Rows) -> Floats:
        parameters = self.parameters
        rates = overall_rates(parameters.totals)
        return features(parameters.effect[rows], parameters.counts[rows], NO_PERSON, rates)

    def _refresh(self) -> None:
        of = (self._catalogue.compactions, self.parameters.batches)
        if of != self._of:
            self._of = of
            self._tables.clear()
            self._contexts.clear()

    def _table(self, surface: str) -> SurfaceTable:
        self._refresh()
        table = self._tables.get(surface)
        if table is None:
            table = self._tables[surface] = SurfaceTable()
        if table.filled < self._catalogue.size:
            self._fill(table, surface)
        return table

    def _fill(self, table: SurfaceTable, surface: str) -> None:
        filled, size = table.filled, self._catalogue.size
        if size > len(table.rows):
            spare = size + SPARE - filled
            table.rows = np.concatenate([table.rows[:filled], np.zeros((spare, len(FIELDS)), np.int64)])
            table.logits = np.concatenate([table.logits[:filled], np.zeros((spare, len(HEADS)))])
        for row in range(filled, size):
            shown = Exposure(self._catalogue.ids[row], self._catalogue.facts[row], surface, 0)
            table.rows[row, VIDEO] = [self.parameters.row(place, FIELDS[place].key(shown)) for place in VIDEO]
        found = self._features(table.rows[filled:size]) * self.parameters.weights
        table.logits[filled:size] = found[..., OF_VIDEO].sum(axis=-1)
        table.filled = size
