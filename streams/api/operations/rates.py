"""How many records a second each topic gets, by its ends at two times."""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import NamedTuple

from streams.kafka.records import Place

WINDOW_S = 30.0


class Sample(NamedTuple):
    """The ends of all partitions at one time of the monotonic clock."""

    at_s: float
    ends: Mapping[Place, int]


class Rates:
    """Records a second over the last half minute."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, at_s: float, ends: Mapping[Place, int]) -> None:
        """Take the ends of all partitions at a time."""
        self._samples.append(Sample(at_s, ends))
        while self._samples[0].at_s < at_s - WINDOW_S:
            self._samples.popleft()

    def by_topic(self) -> dict[str, float]:
        """Records a second by topic; empty before there are two samples."""
        if len(self._samples) < 2:
            return {}
        (start_s, before), (end_s, now) = self._samples[0], self._samples[-1]
        found: dict[str, int] = defaultdict(int)
        for place, end in now.items():
            found[place[0]] += max(0, end - before.get(place, end))  # a topic that was made again begins at 0
        return {topic: round(count / (end_s - start_s), 3) for topic, count in sorted(found.items())}
