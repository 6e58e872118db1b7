"""fold and profile.bytes: what an event costs without any transport, and how large profiles are."""

import time
from statistics import median

import numpy as np

from ranker.profile import Arrival, Profile, fold_all, pack
from tests.bench.ground import Ground
from tests.bench.results import Result

BATCH = 500
PASSES = 3


def fold(ground: Ground) -> list[Result]:
    """fold_all and pack over a log, in batches, from nothing; the median pass."""
    arrivals = _arrivals(ground)
    late_ms = ground.settings().late_ms
    costs = [1e6 * _pass(arrivals, late_ms)[0] / len(arrivals) for _ in range(PASSES)]
    note = f"{len(arrivals):,} events of {ground.log.name} in batches of {BATCH}, median of {PASSES} passes"
    return [Result("fold", median(costs), "cpu_us/event", f"batches of {BATCH}", note=note)]


def profile_bytes(ground: Ground) -> list[Result]:
    """How many bytes a packed profile has at the log's end."""
    _, profiles = _pass(_arrivals(ground), ground.settings().late_ms)
    sizes = [len(pack(profile)) for profile in profiles.values()]
    p50, p99 = np.percentile(sizes, [50, 99]).tolist()
    note = f"{len(sizes):,} people at the end of {ground.log.name}, the largest has {max(sizes):,} bytes"
    at = f"{len(sizes):,} people"
    return [
        Result("profile.bytes", p50, "bytes_p50", at, note=note),
        Result("profile.bytes", p99, "bytes_p99", at, note=note),
    ]


def _arrivals(ground: Ground) -> list[Arrival]:
    return [Arrival(event, "log", 0, offset) for offset, event in enumerate(ground.log.feedback())]


def _pass(arrivals: list[Arrival], late_ms: int) -> tuple[float, dict[str, Profile]]:
    profiles: dict[str, Profile] = {}
    began_s = time.process_time()
    for start in range(0, len(arrivals), BATCH):
        changed = fold_all(profiles, arrivals[start : start + BATCH], late_ms).changed
        profiles.update(changed)
        for profile in changed.values():
            pack(profile)
    return time.process_time() - began_s, profiles
