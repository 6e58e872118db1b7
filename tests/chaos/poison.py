"""K21: batches that are damaged at the wire, which no client would send and a broker takes."""

from typing import Any

from schemas.topics import PROFILES
from tests.chaos.rig import Rig, judged, wait
from tests.fuzz import wire
from tests.support.system import everything

ABOVE_REST_MB = 300


def damaged_batches(on: Rig) -> dict[str, Any]:
    """A good event behind each of a hundred (ten thousand) of them: all count, and the others are dead letters."""
    with on.system("K21") as system:
        worker = system.start("profiles")
        first = wire.send(system.settings, 1, on.seed)
        wait("the first event is taken in", lambda: bool(everything(system.settings, PROFILES)))
        rest_mb = peak_mb = worker.rss_mb()

        def watch(_: int) -> None:
            nonlocal peak_mb
            peak_mb = max(peak_mb, worker.rss_mb())

        sent = wire.send(system.settings, on.size(100, 10_000), on.seed + 1, watch, after=first)
        found = [*wire.problems(system.settings, sent)]
        watch(0)
        alive = worker.alive()
    if peak_mb > rest_mb + ABOVE_REST_MB:
        found.append(f"{peak_mb:.0f} MB of memory, {rest_mb:.0f} at rest")
    if not alive:
        found.append("the worker ended")
    return judged(
        {"events": sent.good, "unusable": len(sent.bad), "mb": round(peak_mb), "rest_mb": round(rest_mb)}, *found
    )
