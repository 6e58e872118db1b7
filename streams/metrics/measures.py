"""The counts, times and gauges of one process. It knows no library: exposition.py hands them to Prometheus."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.metrics.table import TABLE, Metric

FEW = 16  # values that cost less one by one

Labels = tuple[str, ...]
Readings = Iterable[tuple[Labels, float]]


class Sample(NamedTuple):
    """One line of a counter or a gauge."""

    labels: Labels
    value: float


@dataclass
class Distribution:
    """How many observations fell into each bucket (the last one has no upper bound), and their sum.

    >>> some = Distribution((1.0, 10.0))
    >>> some.add([0.5, 1.0, 3.0, 99.0])
    >>> some.counts, some.total
    ([2, 1, 1], 103.5)
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Nothing was observed yet."""
        self._edges = np.array(self.bounds)
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        """Observe a whole batch: two calls of numpy, however many values there are, and none for a few."""
        if len(values) <= FEW:
            counts = [*self.counts]
            for value in values:
                counts[bisect_left(self.bounds, value)] += 1
            self.counts, self.total = counts, self.total + float(sum(values))
            return
        places = np.searchsorted(self._edges, values)
        self.counts = [*map(add, self.counts, np.bincount(places, minlength=len(self.counts)).tolist())]
        self.total += float(np.sum(values))


class Measures:
    """What a process counts, by the names of table.py; a name or a label that is not there raises KeyError.

    Each label set has one writer, and another thread reads: values are replaced and never changed in place.
    """

    def __init__(self) -> None:
        self._table = {metric.name: metric for metric in TABLE}
        self._counts: dict[str, dict[Labels, float]] = {}
        self._distributions: dict[str, dict[Labels, Distribution]] = {}
        self._gauges: dict[str, list[Callable[[], Readings]]] = {}

    def count(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        key, known = self._labels(name, "counter", labels), self._counts.setdefault(name, {})
        known[key] = known.get(key, 0.0) + amount

    def observe(self, name: str, values: Sequence[float] | NDArray[np.float64], **labels: str) -> None:
        """Put a batch of values into a histogram."""
        key, known = self._labels(name, "histogram", labels), self._distributions.setdefault(name, {})
        if key not in known:
            known[key] = Distribution(self._table[name].buckets)
        known[key].add(values)

    def gauge(self, name: str, read: Callable[[], Readings]) -> None:
        """Say how a gauge is read: its label values in the table's order, each with a value, whenever it is asked."""
        self._of_kind(name, "gauge")
        self._gauges.setdefault(name, []).append(read)

    def samples(self) -> Iterator[tuple[Metric, Sequence[Sample]]]:
        """Counters and gauges that have values now, in the table's order."""
        for metric in self._table.values():
            counted = [Sample(*one) for one in self._counts.get(metric.name, {}).copy().items()]
            read = [Sample(*one) for reading in self._gauges.get(metric.name, ()) for one in reading()]
            if counted or read:
                yield metric, counted + read

    def distributions(self) -> Iterator[tuple[Metric, Mapping[Labels, Distribution]]]:
        """Histograms that have observations, in the table's order."""
        for metric in self._table.values():
            if found := self._distributions.get(metric.name):
                yield metric, found.copy()

    def _labels(self, name: str, kind: str, given: Mapping[str, str]) -> Labels:
        labels = self._of_kind(name, kind).labels
        if len(given) != len(labels):
            raise KeyError(f"{name} has the labels {', '.join(labels) or 'none'}, not {', '.join(given) or 'none'}")
        return tuple(given[label] for label in labels)

    def _of_kind(self, name: str, kind: str) -> Metric:
        metric = self._table[name]
        if metric.kind != kind:
            raise KeyError(f"{name} is a {metric.kind}, no {kind}")
        return metric


def one(value: Callable[[], float]) -> Callable[[], Readings]:
    """A gauge without labels.

    >>> one(lambda: 7)()
    [((), 7.0)]
    """
    return lambda: [((), float(value()))]
