"""Whether slates say `degraded: vector_index` exactly while their ranking agent does without the index."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from schemas.topics import RECOMMENDATIONS
from streams.kafka.records import Record
from tests.chaos.rig import System, Worker
from tests.chaos.topics import read_all

SLACK_S = 2.0  # a slate's time is that of its batch, which may have waited for the index, or begun before it came
FOUND_S = 5.0  # a silent server is known after a look, of 3 s at most, a second after the one before


class Slate(msgspec.Struct):
    """When it was made, and what it lacked."""

    generated_at_ms: int
    degraded: list[str]


class Span(NamedTuple):
    """From when to when, on the monotonic clock."""

    start: float
    end: float

    def holds(self, at_s: float) -> bool:
        """Whether this may be in it."""
        return self.start - SLACK_S <= at_s <= self.end + SLACK_S


_slate = msgspec.json.Decoder(Slate).decode


def away(ranker: Worker) -> list[Span]:
    """When a ranking agent did without the index; from its start until it first used it, too."""
    lines = (line.split() for line in ranker.marks.read_text("ascii").splitlines())
    told = [(float(at), what) for at, what, *_ in lines if what in ("away", "used")]
    turns = [(ranker.started_s, "away"), *told, (float("inf"), "used")]
    changes = [turns[0], *(after for before, after in pairwise(turns) if before[1] != after[1])]
    return [Span(at, then) for (at, what), (then, _) in pairwise(changes) if what == "away"]


def still_away(ranker: Worker) -> bool:
    """Whether it does without the index now."""
    return any(span.end == float("inf") for span in away(ranker))


def degraded_slates(system: System, ranker: Worker, faults: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """How many said so within and outside these times, and in which faults none did.

    A slate whose neighbours are all known from before lacks nothing, and does not say so: `cached` counts them.
    """
    spans, found = away(ranker), list[Slate]()

    def take(record: Record) -> None:
        if record.value is not None:
            found.append(_slate(record.value))

    read_all(system.settings, RECOMMENDATIONS, take)
    to_monotonic = time.monotonic() - time.time()
    quiet = [one.generated_at_ms / 1000 + to_monotonic for one in found if "vector_index" not in one.degraded]
    cached = sum(any(span.start + SLACK_S < at < span.end - SLACK_S for span in spans) for at in quiet)
    said = [one.generated_at_ms / 1000 + to_monotonic for one in found if "vector_index" in one.degraded]
    wrongly = [at for at in said if not any(span.holds(at) for span in spans)]
    broken = [f"{len(wrongly)} slates said degraded while the index was in use"] if wrongly else []
    for number, (start, end) in enumerate(faults, 1):
        if not any(span.start < end + FOUND_S and span.end > start for span in spans):
            broken.append(f"the index was held for usable throughout fault {number}")
        if not any(start <= at <= end + FOUND_S for at in said):
            broken.append(f"no slate said degraded in fault {number}")
    if still_away(ranker):
        broken.append("the index is not used again")
    return {"said_degraded": len(said), "of_slates": len(found), "cached": cached, "away": len(spans), "broken": broken}
