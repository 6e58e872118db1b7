"""How long after an event its slate was there, by the slates that went by."""

import threading
from bisect import bisect_left
from collections import deque
from itertools import accumulate

from streams.api.operations.messages import LatencyAnswer

KEPT = 10_000  # of the newest slates
BOUNDS_MS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000)
LATE_MS = 600_000  # then the event was published late: a log, or a phone that was offline


class Latencies:
    """Of the newest slates the time from their newest event to their record, by the clocks of both publishers.

    It holds what publishers take for the time of an event. One published more than ten minutes late says nothing of
    this system, and is only counted.
    """

    def __init__(self) -> None:
        self._found_ms: deque[int] = deque(maxlen=KEPT)
        self._late = 0
        self._changing = threading.Lock()  # slates come in another thread than questions

    def add(self, record_ms: int, trigger_ms: int) -> None:
        """Count a slate by the time of its record and of the event that triggered it."""
        with self._changing:
            if record_ms - trigger_ms > LATE_MS:
                self._late += 1
            else:
                self._found_ms.append(max(0, record_ms - trigger_ms))

    def summary(self) -> LatencyAnswer:
        """Median, 99th percentile and a cumulative histogram, as Prometheus has it: how many took `le` ms at most."""
        with self._changing:
            found, late = sorted(self._found_ms), self._late
        counts = [0] * (len(BOUNDS_MS) + 1)
        for one in found:
            counts[bisect_left(BOUNDS_MS, one)] += 1
        histogram = [*zip((*BOUNDS_MS, None), accumulate(counts), strict=True)]
        return LatencyAnswer(quantile(found, 0.5), quantile(found, 0.99), histogram, late)


def quantile(ordered: list[int], share: float) -> int | None:
    """The smallest of the values that so large a share of them does not exceed; None of none.

    >>> quantile([1, 2, 3, 4], 0.5), quantile([7], 0.99), quantile([], 0.5)
    (2, 7, None)
    """
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None
