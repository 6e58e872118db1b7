"""The learned parameters as the videos of a catalogue have them, looked up once for each surface.

What is learned of a video adds up to one number per head, which changes only when the parameters do. So a candidate
costs one gather.
"""

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import VideoFacts
from ranker.learning.columns import grown
from ranker.learning.features import FEATURES, RATES, features, overall_rates
from ranker.learning.fields import FIELD_NAMES, FIELDS, Exposure, hour_of
from ranker.learning.parameters import Parameters
from ranker.profile.outcomes import HEADS

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]
Rows = NDArray[np.int64]
Videos = NDArray[np.int32]

CONTEXT = [place for place, field in enumerate(FIELDS) if field.part == "context"]
VIDEO = [place for place, field in enumerate(FIELDS) if field.part == "video"]
OF_VIDEO = [place for place, feature in enumerate(FEATURES) if feature.part == "video"]
OF_CONTEXT = [place for place, feature in enumerate(FEATURES) if feature.part == "context"]
NO_PERSON = np.zeros((1, len(HEADS), len(FEATURES) - RATES.stop))
SPARE = 2048  # rows by which a table grows
MOST_TABLES = 32  # of surfaces of which something is learned; the one that was made first goes
SURFACE = FIELD_NAMES.index("surface")


class SurfaceTable:
    """Of one surface, by row of the catalogue: what is learned of each video there."""

    def __init__(self) -> None:
        self.logits: Narrow = np.zeros((0, len(HEADS)), np.float32)
        self.contributions: Narrow = np.zeros((0, len(OF_VIDEO)), np.float32)
        self.filled = 0


class ParameterView:
    """What the parameters say of the videos of a catalogue; what either side gets new is looked up once.

    head_weights  what the log-odds of each outcome count in `contributions` [H]
    """

    def __init__(self, catalogue: Catalogue, parameters: Parameters, head_weights: Floats) -> None:
        self.parameters, self._catalogue, self._head_weights = parameters, catalogue, head_weights
        self._tables: dict[str, SurfaceTable] = {}
        self._contexts: dict[tuple[str, int], Floats] = {}  # by surface and hour
        self._of = (0, 0)  # compactions and learned batches for which the tables are right

    def surface(self, name: str) -> str:
        """The surface by which a video is looked up; all of which nothing is learned are one."""
        return name if self.parameters.row(SURFACE, name) else ""

    def logits(self, videos: Videos, surface: str) -> Narrow:
        """What speaks for videos on a surface, beside what is the same for all [N, H]."""
        return self._table(surface).logits[videos]

    def contributions(self, videos: Videos, surface: str) -> Narrow:
        """What adds up to `logits`, feature by feature, its outcomes added up by their weights [N, F]."""
        return self._table(surface).contributions[videos]

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
            if len(self._tables) == MOST_TABLES:
                del self._tables[next(iter(self._tables))]
            table = self._tables[surface] = SurfaceTable()
        if table.filled < self._catalogue.size:
            self._fill(table, surface)
        return table

    def _fill(self, table: SurfaceTable, surface: str) -> None:
        filled, size = table.filled, self._catalogue.size
        if size > len(table.logits):
            table.logits = grown(table.logits, size + SPARE)
            table.contributions = grown(table.contributions, size + SPARE)
        rows = np.zeros((size - filled, len(FIELDS)), np.int64)
        for place, row in enumerate(range(filled, size)):
            shown = Exposure(self._catalogue.ids[row], self._catalogue.facts[row], surface, 0)
            rows[place, VIDEO] = [self.parameters.row(place, FIELDS[place].key(shown)) for place in VIDEO]
        found = (self._features(rows) * self.parameters.weights)[..., OF_VIDEO]  # [N, H, F]
        table.logits[filled:size] = found.sum(axis=-1)
        table.contributions[filled:size] = (found * self._head_weights[:, None]).sum(axis=1)
        table.filled = size
