"""A clock that passes with time, but no faster than exposures come.

What is learned fades with time, so that it follows what changes. Where few exposures come, most of what fades in a day
was never contradicted: on MovieLens, where people rate a film every few hours for years, nothing would be remembered.
"""

from schemas.messages.fields import DAY_MS

FULL_DAY = 7_000  # exposures without which no day passes: half of KuaiRand's


class ExposureClock:
    """Tells a time for each exposure, in ms; exposures come in the order of event time."""

    def __init__(self) -> None:
        self._newest_ms = 0
        self._now = 0.0

    def at(self, at_ms: int) -> int:
        """The time of an exposure that comes next, or late."""
        return int(self._now + self._passed(at_ms))

    def reach(self, at_ms: int) -> int:
        """Go on to an exposure, and tell its time."""
        now = self.at(at_ms)
        self._now += max(0.0, self._passed(at_ms))
        self._newest_ms = max(self._newest_ms, at_ms)
        return now

    def _passed(self, at_ms: int) -> float:
        return min(at_ms - self._newest_ms, DAY_MS / FULL_DAY)
