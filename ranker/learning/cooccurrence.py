"""Co-occurrence: which videos are met, or finished, by the same people, counted by pair.

Each video keeps the NEIGHBOURS with which it shares most. A new neighbour takes the place of the least one, so the
memory is bounded whatever comes. Counts halve within a half-life, by forward decay as in engagement.py; the cosine is a
quotient of such counts, so to read it no time is needed.
"""

import numpy as np
from numpy.typing import NDArray

from ranker.learning.columns import grown
from ranker.learning.fields import HOUR_MS

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

NEIGHBOURS = 128  # of each video
HALF_LIFE_MS = 7 * 24 * HOUR_MS  # a guess: the log that it was tuned on has six days
MOST_HALF_LIVES = 32.0


class CoOccurrence:
    """Decayed counts of pairs of videos, and of each video alone."""

    def __init__(self, size: int = 0, neighbours: int = NEIGHBOURS) -> None:
        self._origin_ms = 0
        self._alone: Floats = np.zeros(size, np.float32)
        self._neighbours = np.zeros((size, neighbours), np.int32)
        self._together: Floats = np.zeros((size, neighbours), np.float32)  # 0: nobody stands there

    def add(self, row: int, companions: Rows, at_ms: int) -> None:
        """Count a video with the ones that its person had before, each once."""
        amount = self._amount(at_ms)
        self._alone[row] += amount
        for companion in companions.tolist():
            self._add_one_way(row, companion, amount)
            self._add_one_way(companion, row, amount)

    def cosine(self, companions: Rows, weights: Floats) -> Floats:
        """How close each video is to these [N]: the sum of weight × together / √(alone × alone)."""
        norms = np.sqrt(self._alone)
        theirs = norms[companions]
        shares = np.divide(weights, theirs, out=np.zeros(len(companions), np.float32), where=theirs > 0)
        sums = np.bincount(
            self._neighbours[companions].ravel(),
            (self._together[companions] * shares[:, None]).ravel(),
            len(self._alone),
        )
        found: Floats = np.divide(sums, norms, out=np.zeros(len(norms)), where=norms > 0).astype(np.float32)
        return found

    def grow(self, size: int) -> None:
        """Make room for more videos."""
        self._neighbours, self._alone = grown(self._neighbours, size), grown(self._alone, size)
        self._together = grown(self._together, size)

    def _add_one_way(self, row: int, other: int, amount: np.float32) -> None:
        together = self._together[row]
        place = np.flatnonzero((self._neighbours[row] == other) & (together > 0))
        if len(place):
            together[place[0]] += amount
        else:
            least = int(together.argmin())
            self._neighbours[row, least], together[least] = other, amount

    def _amount(self, at_ms: int) -> np.float32:
        """What an addition at this time is worth."""
        half_lives = min((at_ms - self._origin_ms) / HALF_LIFE_MS, 1000.0)
        if half_lives > MOST_HALF_LIVES:
            self._together *= np.float32(2.0**-half_lives)
            self._alone *= np.float32(2.0**-half_lives)
            self._origin_ms, half_lives = at_ms, 0.0
        return np.float32(2.0**half_lives)
