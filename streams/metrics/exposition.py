"""Measures as Prometheus reads them, beside what its client says of the process itself."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from streams.metrics.measures import Distribution, Measures
from streams.metrics.table import Metric


class MeasuresCollector(Collector):
    """Gives Prometheus what was measured, each time it asks."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def collect(self) -> Iterator[Family]:
        """One family for each metric that has values."""
        for metric, samples in self._measures.samples():
            family = _family(metric)
            for sample in samples:
                family.add_metric(sample.labels, sample.value)
            yield family
        for metric, found in self._measures.distributions():
            histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, distribution in found.items():
                histogram.add_metric(labels, _buckets(distribution), distribution.total)
            yield histogram

    def describe(self) -> Iterator[Family]:
        """Nothing: else Prometheus' client would read every gauge once when the collector is registered."""
        return iter(())


def registry_of(measures: Measures) -> CollectorRegistry:
    """A registry of these measures and of the process: CPU, memory, open files, garbage collection, Python."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MeasuresCollector(measures))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    """What is served, and its content type, in the format that the reader asks for by its Accept header."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return make(metric.name, metric.meaning, labels=metric.labels)


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    bounds = [*map(str, distribution.bounds), "+Inf"]
    return [*zip(bounds, map(float, accumulate(distribution.counts)), strict=True)]
