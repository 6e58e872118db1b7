"""index.rate, index.fresh, index.rebuild: how fast features.v1 gets into a server that pays what Qdrant pays."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count as numbers

import numpy as np
from confluent_kafka import Producer

from encoders.base import unit_rows
from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.fusion.fusion import VERSION
from schemas.messages import videos
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.kafka.records import partition_of
from streams.operations import rebuild as operation
from streams.qdrant.index import open_index
from tests.bench.costly_qdrant import costly_qdrant
from tests.bench.ground import START_MS, Ground
from tests.bench.machine import cpu_seconds
from tests.bench.points import LABELS
from tests.bench.results import Goal, Result
from tests.support.models import built_in
from tests.support.system import agents

BACKLOG, FRESH, ALL = 20_000, 10_000, 100_000
MADE = 512  # different vectors
LIMIT_S = 580.0
TEXT = ("text",)  # what an upload without media has beside the retrieval vector
_runs = numbers()


def rate(ground: Ground) -> list[Result]:
    """An indexer begins with a backlog: videos a second, and its CPU for one, by what they have."""
    count = ground.size(BACKLOG, 500)
    rows = []
    for modalities in (TEXT, tuple(built_in().dims)):
        with system(ground) as settings:
            publish(settings, count, modalities)
            with agents(settings, settings.data_dir, "indexer", cold=True) as running:
                [(_, process, _)] = running.running
                until(settings, 1)
                before_s, before, began_s = cpu_seconds(process.pid), held(settings), time.monotonic()
                until(settings, count)
                wall_s, cpu_s = time.monotonic() - began_s, cpu_seconds(process.pid) - before_s
        pace, at = (count - before) / wall_s, f"retrieval, {', '.join(modalities)}"
        goals = [Goal(f"2,000 videos/s ({pace:,.0f})", pace >= 2000)]
        more = {"cpu_us/video": 1e6 * cpu_s / (count - before)}
        rows.append(Result("index.rate", pace, "videos/s", at, more=more, note=NOTE, goals=goals))
    return rows


NOTE = "a server of its own process, 0.20 ms of CPU a video, on the same two cores"


def fresh(ground: Ground) -> list[Result]:
    """An indexer has nothing to do; then so many videos are on features.v1 at once: until all are in the index."""
    count = ground.size(FRESH, 500)
    with system(ground) as settings:
        publish(settings, 1, TEXT)
        with agents(settings, settings.data_dir, "indexer", cold=True):
            until(settings, 1)
            publish(settings, count, TEXT, first=1)
            began_s = time.monotonic()
            until(settings, count + 1)
            spent_s = time.monotonic() - began_s
    goals = [Goal(f"{count:,} new videos in the index within 10 s ({spent_s:.1f})", spent_s <= 10)]
    return [Result("index.fresh", spent_s, "s", f"{count:,} new videos", note=NOTE, goals=goals)]


def rebuild(ground: Ground) -> list[Result]:
    """`freshet rebuild` of so many videos, with its progress."""
    count = ground.size(ALL, 500)
    told: list[tuple[int, int]] = []
    with system(ground) as settings:
        publish(settings, count, TEXT)
        before_s, began_s = time.process_time(), time.monotonic()
        filled = operation.rebuild(settings, lambda _: None, lambda done, total: told.append((done, total)))
        wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - before_s
    whole = told[-1] == (count, count) and told == sorted(told)
    fault = "" if whole and filled == count else f"{filled} of {count} videos, progress up to {told[-1:]}"
    more = {"videos/s": count / wall_s, "cpu_us/video": 1e6 * cpu_s / count, "reports": float(len(told))}
    return [Result("index.rebuild", wall_s, "s", f"{count:,} videos", more=more, note=NOTE, fault=fault)]


@contextmanager
def system(ground: Ground) -> Iterator[Settings]:
    """Topics of its own, and a server."""
    made = ground.with_topics(f"indexing-{next(_runs)}.")
    folder = ground.folder / made.prefix
    folder.mkdir()
    with costly_qdrant() as url:
        yield made.model_copy(update={"qdrant_url": url, "data_dir": folder})


def publish(settings: Settings, count: int, modalities: Sequence[str], first: int = 0) -> None:
    """Put videos on features.v1; returns when the broker has them."""
    to = Producer({"bootstrap.servers": settings.bootstrap, "linger.ms": 50, "message.max.bytes": 16_000_000})
    topic, made = FEATURES.full(settings.prefix), [vectors(number, modalities) for number in range(min(count, MADE))]
    about = {"title": "A title of some forty characters, or more", "tags": ["a", "b"], "labels": LABELS}
    for number in range(first, first + count):
        name = f"v{number}"
        video = Encoded(video_id=name, at_ms=START_MS + number, vectors=made[number % len(made)], **about)  # type: ignore[arg-type]
        partition = partition_of(name.encode(), settings.partitions)
        while True:
            try:
                to.produce(topic, videos.encode(video), name.encode(), partition)
                break
            except BufferError:
                to.poll(0.1)
        to.poll(0)
    to.flush()


def vectors(number: int, modalities: Sequence[str]) -> dict[str, videos.Vector]:
    """Random vectors of these modalities and of retrieval."""
    dims = built_in().dims
    made_by = {RETRIEVAL: VERSION} | {
        one.name: f"{one.name}@{one.version}" for one in built_in() if one.name in modalities
    }
    rng = np.random.default_rng(number)
    rows = {name: unit_rows(rng.standard_normal((1, dims.get(name, DIM))).astype(np.float32)) for name in made_by}
    return {name: vector for name, by in made_by.items() if (vector := encode_vector(by, rows[name][0]))}


def held(settings: Settings) -> int:
    """How many videos the server has."""

    async def ask() -> int:
        index = await open_index(settings, DIM, VERSION)
        try:
            return await index.count()
        finally:
            await index.close()

    return asyncio.run(ask())


def until(settings: Settings, count: int, look_s: float = 0.1) -> None:
    """Return when it has so many."""
    end_s = time.monotonic() + LIMIT_S
    while (now := held(settings)) < count:
        if time.monotonic() > end_s:
            raise TimeoutError(f"{now} of {count} videos after {LIMIT_S:g} s")
        time.sleep(look_s)
