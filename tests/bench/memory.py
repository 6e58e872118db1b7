"""ranker.memory: what a ranking process takes for each video, with and without the embeddings of all.

A process of its own takes in records of features.v1 as they come from Kafka. What is learned and counted of videos is
not in the figure, nor the cache of embeddings, which is as large as it is set.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from encoders.fusion.fusion import VERSION
from ranker.catalogue.catalogue import Catalogue
from schemas.messages import videos
from schemas.messages.videos import CatalogueRecord, Encoded, Vector
from tests.bench.ground import START_MS, Ground
from tests.bench.recovering import memory
from tests.bench.results import Goal, Result
from tests.bench.world import DIM, facts_of_video

NAME = "ranker.memory"
AT_ONCE = 500  # records, as many as are read at once
MOST_BYTES = 200  # a video, where no vectors are held
HELD, BARE = "all embeddings held", "none held"


def per_video(ground: Ground) -> list[Result]:
    """Bytes a video at two sizes of the catalogue."""
    sizes: tuple[int, ...] = ground.size((100_000, 1_000_000), (10_000,))
    return [_measured(size, how, ground.quick) for size in sizes for how in (HELD, BARE)]


def _measured(count: int, how: str, quick: bool) -> Result:
    command = [sys.executable, "-m", "tests.bench.memory", str(count), how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, cpu_s = map(float, ran.stdout.split())
    value = taken / count
    goals = [Goal(f"≤ {MOST_BYTES}", value <= MOST_BYTES)] if how == BARE and not quick else []
    return Result(NAME, value, "bytes/video", f"{count:,} videos, {how}", more={"cpu_s": cpu_s}, goals=goals)


def _records(count: int) -> Iterator[CatalogueRecord]:
    chance = np.random.default_rng(0)
    for number in range(count):
        vector = Vector(DIM, VERSION, chance.standard_normal(DIM, np.float32).tobytes())
        made = Encoded(vectors={"retrieval": vector}, **facts_of_video(number, count, START_MS))
        yield videos.decode_features(videos.encode(made))  # as from Kafka: no two videos share their strings


def main() -> None:
    """Fill a catalogue, and print the bytes that the process grew by, and seconds of CPU."""
    count, holds = int(sys.argv[1]), sys.argv[2] == HELD
    list(_records(AT_ONCE))
    gc.collect()
    began_s, before = time.process_time(), memory()
    catalogue, records = Catalogue(holds_vectors=holds), _records(count)
    for start in range(0, count, AT_ONCE):
        catalogue.apply([next(records) for _ in range(start, min(start + AT_ONCE, count))])
    gc.collect()
    print(memory() - before, time.process_time() - began_s)


if __name__ == "__main__":
    main()
