"""The learned parameters as the videos of a catalogue have them, on each surface.

What is learned of a video adds up to one number per head. The parameters' rows of its keys are looked up once; when the
parameters have learned, the numbers of the videos that are asked for are made again from these rows. So a candidate
costs one gather, and learning costs nothing for who is no candidate.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.entry import VideoFacts
from ranker.learning.features import EFFECTS, FEATURES, KEY_WORTH, RATED, RATES, overall_rates, rate_logits
from ranker.learning.fields import FIELDS, KEYS_OF, Exposure, hour_of
from ranker.learning.parameters import SURFACE, Parameters
from ranker.learning.surface_table import SurfaceTable
from ranker.profile.outcomes import HEADS

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]
Rows = NDArray[np.int64]
Videos = NDArray[np.int32]

CONTEXT = [place for place, field in enumerate(FIELDS) if field.part == "context"]
VIDEO = [place for place, field in enumerate(FIELDS) if field.part == "video"]
OF_VIDEO = [place for place, feature in enumerate(FEATURES) if feature.part == "video"]
NOWHERE = "\0"  # a surface that no key has
SPARE = 2048  # rows by which a table grows
MOST_TABLES = 32  # of surfaces of which something is learned; the one that was made first goes


class ParameterView:
    """What the parameters say of the videos of a catalogue; what either side gets new is looked up once.

    head_weights  what the log-odds of each outcome count in `contributions` [H]
    """

    def __init__(self, catalogue: Catalogue, parameters: Parameters, head_weights: Floats) -> None:
        self.parameters, self._catalogue, self._head_weights = parameters, catalogue, head_weights
        self._tables: dict[str, SurfaceTable] = {}
        self._contexts: dict[tuple[str, int], Floats] = {}  # by surface and hour
        self._of = (0, 0, 0)  # compactions, generation and learned batches as they were last seen
        self._seen = len(parameters.named)  # of the rows that got a key
        self._state = 1  # counts the changes of the parameters

    def surface(self, name: str) -> str:
        """The surface by which a video is looked up; all of which nothing is learned are one."""
        return name if self.parameters.row(SURFACE, name) else NOWHERE

    def logits(self, videos: Videos, surface: str) -> Narrow:
        """What speaks for videos on a surface, beside what is the same for all [N, H]."""
        table = self._table(surface)
        return table.logits.take(videos, self._state, lambda some: self._logits(self._rows(table, some, surface)))

    def contributions(self, videos: Videos, surface: str) -> Narrow:
        """What adds up to `logits`, feature by feature, its outcomes added up by their weights [N, F]."""
        table = self._table(surface)
        return table.contributions.take(
            videos, self._state, lambda some: self._contributions(self._rows(table, some, surface))
        )

    def context(self, surface: str, at_ms: int) -> Floats:
        """What is the same for all videos on a surface at a time [H]."""
        self._refresh()
        key = surface, hour_of(at_ms)
        found = self._contexts.get(key)
        if found is None:
            here = Exposure("", VideoFacts(), *key)
            found = self.parameters.weights[:, 0].copy()  # of what is always there
            for field in CONTEXT:
                row = self.parameters.row(field, FIELDS[field].key(here))
                found += self.parameters.effect[row] * self._effect_weights(field)
            self._contexts[key] = found
        return found

    def _refresh(self) -> None:
        parameters = self.parameters
        of = (self._catalogue.compactions, parameters.generation, parameters.batches)
        if of == self._of:
            return
        new = parameters.named[self._seen :]
        if of[:2] != self._of[:2] or not self._seen:  # who asked when nothing was learned does not wait
            self._tables.clear()
        for table in self._tables.values():
            table.resolve((parameters.keys[row], row) for row in new)
        self._contexts.clear()
        self._of, self._state = of, self._state + 1
        self._seen = len(parameters.named)

    def _table(self, surface: str) -> SurfaceTable:
        self._refresh()
        table = self._tables.get(surface)
        if table is None:
            if len(self._tables) == MOST_TABLES:
                del self._tables[next(iter(self._tables))]
            table = self._tables[surface] = SurfaceTable(len(VIDEO), len(HEADS), len(OF_VIDEO))
        if len(table) < self._catalogue.size:
            table.grow(self._catalogue.size + SPARE)
        return table

    def _rows(self, table: SurfaceTable, videos: Rows, surface: str) -> Rows:
        """The rows of the keys of videos [N, fields of VIDEO]; each video is looked up once."""
        unknown = videos[~table.is_known[videos]].tolist()
        if unknown:
            keys = [self._keys_of(video, surface) for video in unknown]
            rows = [[self.parameters.row(*key) for key in of_video] for of_video in keys]
            table.put(unknown, rows)
            if self._seen:  # where nothing is learned nobody waits, which takes memory for each key
                table.wait(unknown, keys, rows)
        return table.rows.take(videos, axis=0)

    def _keys_of(self, video: int, surface: str) -> list[tuple[int, str | None]]:
        shown = Exposure(self._catalogue.ids[video], self._catalogue.facts[video], surface, 0)
        return [(KEYS_OF[field], FIELDS[field].key(shown)) for field in VIDEO]

    def _logits(self, rows: Rows) -> Floats:
        total = np.zeros((len(rows), len(HEADS)), order="F")
        for part in self._parts(rows):
            total += part
        return total

    def _contributions(self, rows: Rows) -> Floats:
        return np.stack([(part * self._head_weights).sum(axis=1) for part in self._parts(rows)], axis=1)

    def _parts(self, rows: Rows) -> Iterator[Floats]:
        """What each feature of OF_VIDEO adds to the log-odds, [N, H] each.

        In memory the numbers of a head lie side by side, as NumPy is slow at rows of three.
        """
        parameters = self.parameters
        for column, field in enumerate(VIDEO):
            effects = np.asfortranarray(parameters.effect.take(rows[:, column], axis=0))
            yield effects * self._effect_weights(field)
        rates = overall_rates(parameters.totals)
        for feature, field in enumerate(RATED, RATES.start):
            counts = np.asfortranarray(parameters.counts.take(rows[:, VIDEO.index(field)], axis=0))
            yield rate_logits(counts, rates, KEY_WORTH) * parameters.weights[:, feature]

    def _effect_weights(self, field: int) -> Floats:
        weights: Floats = self.parameters.weights[:, EFFECTS.start + field]
        return weights
