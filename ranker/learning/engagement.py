"""Engagement: how often each video was met and finished, lately and in all, everywhere and on each surface.

Sums halve within a half-life. Instead of making all sums smaller as time goes by, each addition is made larger (forward
decay: Cormode et al. 2009, "Forward Decay: A Practical Time Decay Model for Streaming Systems"): to add touches one
video, to read multiplies a row by one number.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranker.learning.columns import grown
from ranker.learning.fields import HOUR_MS

Floats = NDArray[np.float32]

HALF_LIVES_MS = (HOUR_MS // 4, HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS)
MOST_HALF_LIVES = 32.0  # an addition is at most 2**32 before the sums are scaled down; float32 reaches to 2**127
SURFACES = 16  # with counts of their own; whatever else there is shares one
OTHER_SURFACES = "…"  # how that one is called
IN_ALL = -1  # place of the sum that does not decay, after the half-lives


class DecayedSums:
    """Sums by video that halve within a half-life."""

    def __init__(self, half_life_ms: int, size: int = 0) -> None:
        self._half_life_ms = half_life_ms
        self._origin_ms = 0  # an addition at this time is 1
        self._sums: Floats = np.zeros(size, np.float32)

    def add(self, row: int, at_ms: int) -> None:
        """Add 1 to a video; what comes late adds what is left of it."""
        half_lives = self._half_lives(at_ms)
        if half_lives > MOST_HALF_LIVES:
            self._sums *= np.float32(2.0**-half_lives)
            self._origin_ms, half_lives = at_ms, 0.0
        self._sums[row] += np.float32(2.0**half_lives)

    def read(self, at_ms: int) -> Floats:
        """The sums of all videos at a time [N]."""
        return self._sums * np.float32(2.0 ** -max(0.0, self._half_lives(at_ms)))

    def grow(self, size: int) -> None:
        """Make room for more videos."""
        self._sums = grown(self._sums, size)

    def _half_lives(self, at_ms: int) -> float:
        return min((at_ms - self._origin_ms) / self._half_life_ms, 1000.0)


class Tally:
    """How often something happened to each video: decayed by each half-life, and in all."""

    def __init__(self, size: int = 0) -> None:
        self._lately = [DecayedSums(half_life_ms, size) for half_life_ms in HALF_LIVES_MS]
        self.in_all: Floats = np.zeros(size, np.float32)  # [N]

    def add(self, row: int, at_ms: int) -> None:
        """Count one more."""
        for sums in self._lately:
            sums.add(row, at_ms)
        self.in_all[row] += 1

    def lately(self, half_life: int, at_ms: int) -> Floats:
        """The decayed sums at a time, by the place of their half-life [N]."""
        return self._lately[half_life].read(at_ms)

    def grow(self, size: int) -> None:
        """Make room for more videos."""
        for sums in self._lately:
            sums.grow(size)
        self.in_all = grown(self.in_all, size)


class Engagement:
    """Exposures and finishes of each video."""

    def __init__(self, size: int = 0) -> None:
        self.exposures, self.finishes = Tally(size), Tally(size)

    def add(self, row: int, is_finished: bool, at_ms: int) -> None:
        """Count an exposure."""
        self.exposures.add(row, at_ms)
        if is_finished:
            self.finishes.add(row, at_ms)

    def grow(self, size: int) -> None:
        """Make room for more videos."""
        self.exposures.grow(size)
        self.finishes.grow(size)


class SurfaceEngagement:
    """Engagement everywhere, and on each surface; at most SURFACES have one of their own."""

    def __init__(self, size: int = 0) -> None:
        self._size = size
        self.everywhere = Engagement(size)
        self._by_surface = {OTHER_SURFACES: Engagement(size)}

    def on(self, surface: str) -> Engagement:
        """The engagement on a surface; one that is new shares that of the others until it counts something."""
        return self._by_surface.get(surface) or self._by_surface[OTHER_SURFACES]

    def add(self, row: int, surface: str, is_finished: bool, at_ms: int) -> None:
        """Count an exposure on a surface."""
        if surface not in self._by_surface and len(self._by_surface) <= SURFACES:
            self._by_surface[surface] = Engagement(self._size)
        self.everywhere.add(row, is_finished, at_ms)
        self.on(surface).add(row, is_finished, at_ms)

    def add_finish(self, row: int, surface: str, at_ms: int) -> None:
        """Count a finish of an exposure that is counted."""
        self.everywhere.finishes.add(row, at_ms)
        self.on(surface).finishes.add(row, at_ms)

    def grow(self, size: int) -> None:
        """Make room for more videos."""
        self._size = size
        for engagement in self._all():
            engagement.grow(size)

    def _all(self) -> Iterator[Engagement]:
        yield self.everywhere
        yield from self._by_surface.values()
