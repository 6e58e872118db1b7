"""What a worker serves beside its work: its measures, whether it lives, and whether it is ready."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from schemas.settings.model import Settings
from schemas.settings.ports import ports
from streams.metrics.measures import Labels, Measures, Readings
from streams.metrics.server import MetricsServer

if TYPE_CHECKING:
    from streams.kafka.app import BatchApp
    from streams.worker.health import Health, Status

SILENT_S = 30.0  # then the thread that watches over a worker is taken for dead; a slow broker may hold it for 10 s
PLACE = re.compile(r"(.+)\[(\d+)\]")


def serve(app: "BatchApp", agent: str, settings: Settings, measures: Measures, health: "Health") -> str:
    """Serve what a worker measures, where a port is set; returns where, or an empty string."""
    if not ports(settings.metrics_port):
        return ""
    from streams.metrics.exposition import registry_of  # a worker that serves nothing does without the library

    measure_worker(measures, app, agent, health)
    server = MetricsServer(
        settings.metrics_host,
        ports(settings.metrics_port),
        registry_of(measures),
        partial(livez, health),
        partial(readyz, health),
    )
    server.start()
    return server.url


def livez(health: "Health") -> tuple[bool, Mapping[str, object]]:
    """Whether the thread that ends a worker without progress is at work: then nobody else need judge it."""
    silent_s = time.monotonic() - health.looked_s
    return silent_s < SILENT_S, {"silent_s": round(silent_s, 1)}


def readyz(health: "Health") -> tuple[bool, Mapping[str, object]]:
    """Whether the worker reads records; else what it waits for."""
    status = health.latest
    if status is None:
        return False, {"state": "starting", "waits_for": [], "trouble": ""}
    said = {"state": status.state, "waits_for": status.waits_for, "trouble": status.trouble}
    return status.state == "ready", said


def measure_worker(measures: Measures, app: "BatchApp", agent: str, health: "Health") -> None:
    """Say how what all workers have in common is read: readiness, waits, lag, recovery."""

    def of_status(read: Callable[["Status"], Readings]) -> Callable[[], Readings]:
        return lambda: () if health.latest is None else read(health.latest)

    def waits() -> Readings:
        told = () if health.latest is None else (one.partition(", for ")[0] for one in health.latest.waits_for)
        return [((agent, what), 1.0) for what in sorted({*app.transport.waits.now(), *told})]

    def recovery() -> Readings:
        return () if health.recovery_s is None else [((agent,), health.recovery_s)]

    release = version("freshet")
    measures.gauge("freshet_worker_info", lambda: [((agent, release), 1.0)])
    measures.gauge("freshet_worker_ready", lambda: [((agent,), float(readyz(health)[0]))])
    measures.gauge("freshet_waiting", waits)
    measures.gauge("freshet_recovery_seconds", recovery)
    measures.gauge("freshet_lag_records", of_status(lambda status: _by_place(agent, status.lag)))
    measures.gauge(
        "freshet_open_transaction_records", of_status(lambda status: _by_place(agent, status.open_transactions))
    )
    measures.gauge("freshet_in_flight_records", of_status(lambda status: [((agent,), float(status.in_flight))]))


def _by_place(agent: str, counts: Mapping[str, int]) -> Iterable[tuple[Labels, float]]:
    """Counts by `topic[partition]`, with topic and partition as labels."""
    for place, count in counts.items():
        if found := PLACE.fullmatch(place):
            yield (agent, found[1], found[2]), float(count)
