"""fold and profile.bytes: what an event costs without any transport, and how large profiles are."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median
from typing import NamedTuple

import numpy as np

from ranker.profile.codec import pack, unpack, version_of
from ranker.profile.fold import fold_batch
from ranker.profile.model import Profile
from schemas.messages.feedback import Feedback, encode
from streams.dead_letters.validation import FUTURE_MS, read_feedback
from streams.kafka.records import Record
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result
from tests.bench.world import World

BATCHES = (5, 500, 5000)
PASSES = 3
PEOPLE, VIDEOS = 5000, 10_000

Rows = dict[str, bytes]


class Costs(NamedTuple):
    """CPU microseconds an event of a whole pass; packing is part of the fold."""

    guard: float
    fold: float


def fold(ground: Ground) -> list[Result]:
    """Guard, fold and pack over two logs from nothing, in batches of several sizes; the median pass."""
    count = ground.size(100_000, 2000)
    clock = iter(range(START_MS, START_MS + count))
    world = World(VIDEOS, PEOPLE, zipf=False).events(count, "e", lambda: next(clock))
    logs = {ground.log.name: _records(ground.log.feedback()), "a made-up world": _records(world)}
    return [_result(name, records, size, ground) for name, records in logs.items() for size in BATCHES]


def profile_bytes(ground: Ground) -> list[Result]:
    """How many bytes a packed profile has at the log's end."""
    _, rows = _pass(_records(ground.log.feedback()), BATCHES[-1], ground.settings().late_ms)
    sizes = [len(row) for row in rows.values()]
    p50, p99 = np.percentile(sizes, [50, 99]).tolist()
    note = f"{len(sizes):,} people at the end of {ground.log.name}, the largest has {max(sizes):,} bytes"
    at = f"{len(sizes):,} people"
    return [
        Result("profile.bytes", p50, "bytes_p50", at, note=note),
        Result("profile.bytes", p99, "bytes_p99", at, note=note),
    ]


class _Opening(dict[str, Profile]):
    """Profiles that are opened from their rows as they are asked for, and not kept."""

    def __init__(self, rows: Mapping[str, bytes]) -> None:
        super().__init__()
        self._rows = rows

    def get(self, user_id: str, default: Profile) -> Profile:  # type: ignore[override]
        row = self._rows.get(user_id)
        return default if row is None else unpack(row)


def _records(feedback: Iterable[Feedback]) -> list[Record]:
    return [
        Record("log", 0, offset, event.at_ms + FUTURE_MS, event.user_id.encode(), encode(event), ())
        for offset, event in enumerate(feedback)
    ]


def _result(log: str, records: list[Record], size: int, ground: Ground) -> Result:
    passes = [_pass(records, size, ground.settings().late_ms) for _ in range(PASSES)]
    costs = sorted((costs for costs, _ in passes), key=sum)[PASSES // 2]
    rows = list(passes[0][1].values())
    profiles = [unpack(row) for row in rows]
    more = {
        "guard": costs.guard,
        "fold and pack": costs.fold,
        "unpack a profile": median(_each(unpack, rows)),
        "pack a profile": median(_each(pack, profiles)),
        "version_of a profile": median(_each(version_of, rows)),
    }
    note = f"{len(records):,} events of {log} by {len(rows):,} people from nothing, median of {PASSES} passes"
    return Result("fold", sum(costs), "cpu_us/event", f"{log}, batches of {size}", more=more, note=note)


def _pass(records: list[Record], size: int, late_ms: int) -> tuple[Costs, Rows]:
    rows: Rows = {}
    guard_s = fold_s = 0.0
    for start in range(0, len(records), size):
        began_s = time.process_time()
        reading = read_feedback(records[start : start + size], 1)
        read_s = time.process_time()
        rows.update(fold_batch(_Opening(rows), reading.arrivals, late_ms).changed)
        guard_s, fold_s = guard_s + read_s - began_s, fold_s + time.process_time() - read_s
    return Costs(1e6 * guard_s / len(records), 1e6 * fold_s / len(records)), rows


def _each(work: Callable[..., object], given: list[bytes] | list[Profile]) -> Iterator[float]:
    for _ in range(PASSES):
        began_s = time.process_time()
        for one in given:
            work(one)
        yield 1e6 * (time.process_time() - began_s) / len(given)
