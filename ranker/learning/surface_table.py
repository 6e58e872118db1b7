"""What is kept of the videos of a catalogue on one surface: where their keys stand in the parameters, and numbers."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ranker.learning.columns import grown
from ranker.learning.fields import FIELDS
from ranker.learning.parameters import UNKNOWN

Floats = NDArray[np.float64]
Narrow = NDArray[np.float32]
Rows = NDArray[np.int64]
Videos = NDArray[np.int32]
Keys = Sequence[tuple[int, str | None]]  # of a video: fields and texts


class Kept:
    """Numbers of videos, computed when they are first asked for in a state of what they are computed from."""

    def __init__(self, width: int) -> None:
        self._values: Narrow = np.zeros((0, width), np.float32)
        self._state: Rows = np.zeros(0, np.int64)  # for which each row is right

    def grow(self, size: int) -> None:
        """Make room for the rows of a catalogue."""
        self._values, self._state = grown(self._values, size), grown(self._state, size)

    def take(self, videos: Videos, state: int, compute: Callable[[Rows], Floats]) -> Narrow:
        """The numbers of videos [N, width]; `compute` makes those that are not of this state, which is above 0."""
        stale = videos[self._state.take(videos) != state]
        if len(stale):
            marked = np.zeros(len(self._state), np.bool_)  # each video once, without sorting
            marked[stale] = True
            once = np.flatnonzero(marked)
            self._values[once] = compute(once)
            self._state[once] = state
        return self._values.take(videos, axis=0)


class SurfaceTable:
    """Of one surface, by row of the catalogue: the parameters' rows of a video's keys, and what is made from them."""

    def __init__(self, fields: int, heads: int, features: int) -> None:
        self.rows: Rows = np.zeros((0, fields), np.int64)
        self.is_known: NDArray[np.bool_] = np.zeros(0, np.bool_)  # whether a video's keys were looked up
        self.logits, self.contributions = Kept(heads), Kept(features)
        self._waiting = [dict[str, list[int]]() for _ in FIELDS]  # places in `rows`, by key that has no row yet

    def __len__(self) -> int:
        """For how many rows of the catalogue there is room."""
        return len(self.rows)

    def grow(self, size: int) -> None:
        """Make room for the rows of a catalogue."""
        self.rows, self.is_known = grown(self.rows, size), grown(self.is_known, size)
        self.logits.grow(size)
        self.contributions.grow(size)

    def put(self, videos: Sequence[int], rows: Sequence[Sequence[int]]) -> None:
        """Remember the rows of the keys of videos."""
        self.rows[videos] = rows
        self.is_known[videos] = True

    def wait(self, videos: Sequence[int], keys: Sequence[Keys], rows: Sequence[Sequence[int]]) -> None:
        """Remember the keys that have no row: `resolve` fills it in when they get one."""
        for video, of_video, found in zip(videos, keys, rows, strict=True):
            for place, ((field, key), row) in enumerate(zip(of_video, found, strict=True), video * len(found)):
                if row == UNKNOWN and key is not None:
                    self._waiting[field].setdefault(key, []).append(place)

    def resolve(self, new: Iterable[tuple[tuple[int, str], int]]) -> None:
        """Fill in keys that have got a row: fields and texts with their rows."""
        rows = self.rows.reshape(-1)
        for (field, key), row in new:
            for place in self._waiting[field].pop(key, ()):
                rows[place] = row
