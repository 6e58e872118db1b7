"""learning.step and learning.lag: what an example costs, and how soon slates rank by what came of an event.

The lag is taken from the topics: an event's time is the broker's, the time from which it is in use that of the first
slate which names a manifest that covers it.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.learning.blocks import manifest_of
from ranker.learning.parameters import Parameters
from ranker.learning.publication import MANIFEST, Publication
from ranker.learning.storage import SHAPE
from ranker.profile.counters import Counters, SurfaceCounts
from ranker.profile.example import Example, Examples, encode_examples
from schemas.messages.recommendations import decode_recommendation
from schemas.settings.model import Settings
from schemas.topics import EXAMPLES, FEEDBACK, RECOMMENDATIONS, WEIGHTS
from streams.kafka.command_reader import command_reader
from streams.kafka.records import Record
from streams.learning.step import LearnerState, LearnStep
from tests.bench.answers import Traffic
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Goal, Result, percentiles
from tests.bench.slates import RATE, measured, system

PER_CORE, IN_USE_MS = 20_000, 2000  # goals
POLL = 1000  # examples
SURFACES = ("feed", "search", "home", "following")


def step(ground: Ground) -> list[Result]:
    """Examples a second and core, and what a poll of them publishes, by how many videos there are."""
    sizes = ground.size((10_000, 1_000_000), (1000,))
    return [_stepped(videos, ground.size(40, 3)) for videos in sizes]


def _stepped(videos: int, polls: int) -> Result:
    parameters = Parameters()
    state = LearnerState(parameters, Publication(parameters))
    facts = {f"v{n}": VideoFacts(f"c{n % (videos // 5)}", f"tag-{n % 300}", None, 21_000) for n in range(videos)}
    learning = LearnStep(Settings(prefix=""), {0: state}, facts)
    spent, size = [], []
    for records in _polls(videos, polls):
        began = time.process_time()
        outcome = learning.apply([((EXAMPLES.full(""), 0), records)])
        spent.append(time.process_time() - began)
        size.append(sum(len(one.value or b"") for stage in outcome.stages for send in stage for one in send.records))
    rate = POLL / float(np.median(spent))
    more = {"published_kB/poll": float(np.median(size)) / 1e3, "keys": len(parameters)}
    goal = Goal(f"{rate:,.0f} examples a second and core, at least {PER_CORE:,}", rate >= PER_CORE)
    note = f"polls of {POLL:,} examples on {len(SURFACES)} surfaces, Zipf 1.2"
    return Result("learning.step", rate, "examples/s/core", f"{videos:,} videos", "", more, note, goals=[goal])


def _polls(videos: int, count: int) -> Iterator[list[Record]]:
    chance = np.random.default_rng(0)
    for number in range(count):
        drawn = (chance.zipf(1.2, POLL) % videos).tolist()
        labels = chance.choice([0, 1, 3, 4], POLL, p=[0.43, 0.3, 0.02, 0.25]).tolist()
        at_ms = START_MS + 1000 * number
        rows = zip(drawn, labels, strict=True)
        made = [_example(number * POLL + n, f"v{video}", at_ms + n, bits) for n, (video, bits) in enumerate(rows)]
        yield [Record(EXAMPLES.full(""), 0, number, at_ms, b"0", encode_examples(Examples(0, made)))]


def _example(place: int, video: str, at_ms: int, labels: int) -> Example:
    surface = SURFACES[place % len(SURFACES)]
    known = (SurfaceCounts("search", 3, 1, 0, 1), SurfaceCounts(surface, 10, 3, 1, 2))
    return Example(place, video, at_ms, labels, True, surface, Counters(1, at_ms - 5000, 8, 0.1, 0.0, 0.1, known))


class Slates(NamedTuple):
    """When slates were made, and the number of the manifest that each of them was ranked by."""

    at_ms: list[int]
    numbers: list[int]


def lag(ground: Ground) -> list[Result]:
    """Event → parameters in use, in ms, beside the latency of slates with and without a learner."""
    seconds = ground.size(40, 2)
    rows, agents = [], ("profiles", "ranker")
    for names in (agents, (*agents, "learner")):
        with system(ground, f"learning-{len(names)}.", names) as (settings, world, running):
            traffic = Traffic(world, RATE, seconds, ground.size(3, 1), "steady")
            began_ms = time.time() * 1000  # what warmed up the system came all at once, and does not count
            found = measured(ground, settings, traffic, running)
            p50, p99 = percentiles(found.delays_ms)
            cpu = {
                f"{name}_cpu_us/event": 1e6 * spent / traffic.count
                for name, spent in zip((*names, "broker"), found.cpu_s, strict=True)
            }
            at = "with a learner" if "learner" in names else "without a learner"
            rows.append(Result("learning.latency", p50, "ms_p50", at, "", {"ms_p99": p99, **cpu}, fault=found.fault))
            delays = _delays(settings, began_ms) if "learner" in names else []
    p50, p99 = percentiles(delays)
    goal = Goal(f"p99 {p99:,.0f} ms, at most {IN_USE_MS:,}", p99 <= IN_USE_MS)
    note = f"{len(delays):,} events at {RATE:,} a second, broker included"
    return [*rows, Result("learning.lag", p50, "ms_p50", f"{RATE:,} events/s", "", {"ms_p99": p99}, note, goals=[goal])]


def _delays(settings: Settings, since_ms: float) -> list[float]:
    """Of each later event that a manifest covers which some slate names: from its record to the first of them."""
    covered = _covered(_read(settings, WEIGHTS.full(settings.prefix)))
    slates = _slates(_read(settings, RECOMMENDATIONS.full(settings.prefix)))
    first_use = np.minimum.accumulate(np.array(slates.at_ms[::-1]))[::-1]  # by a manifest of this number or a later one
    delays = []
    for record in _read(settings, FEEDBACK.full(settings.prefix)):
        places, numbers = covered.get(record.partition, ([], []))
        at = bisect_left(places, record.offset)
        use = bisect_left(slates.numbers, numbers[at]) if at < len(places) else len(first_use)
        if record.timestamp >= since_ms and use < len(first_use):
            delays.append(float(first_use[use] - record.timestamp))
    return delays


def _read(settings: Settings, topic: str) -> list[Record]:
    with command_reader(settings) as reader:
        return [*reader.records(topic)]


def _covered(weights: Iterable[Record]) -> dict[int, tuple[list[int], list[int]]]:
    """By partition of feedback the rising places up to which manifests cover events, with their numbers."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for record in weights:
        if record.key == MANIFEST.encode() and record.value:
            manifest = manifest_of(record.value, SHAPE)
            for partition, place in manifest.learned.items():
                places, numbers = found.setdefault(partition, ([], []))
                if not places or place > places[-1]:
                    places.append(place)
                    numbers.append(manifest.number)
    return found


def _slates(records: Sequence[Record]) -> Slates:
    """Slates by the number of their manifest, rising."""
    made = (
        (int(decode_recommendation(one.value).models["ranker"].split("-")[-1]), one.timestamp)
        for one in records
        if one.value
    )
    rows = sorted(made)
    return Slates([at_ms for _, at_ms in rows], [number for number, _ in rows])
