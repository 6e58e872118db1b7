"""api.memory: what an API process takes for each video with all four embeddings, and what its searches cost.

A process of its own takes in records of features.v1 as they come from Kafka. Anonymous memory is what cannot be given
back; pages of the files that hold the vectors count as memory once they were read, and go when others need the room.
"""

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from encoders.fusion.embeddings import RETRIEVAL, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from ranker.library.library import VideoLibrary
from ranker.library.playlist import Wish, playlist
from ranker.retrieval.index import SearchFilter
from schemas.messages import videos
from schemas.messages.videos import CatalogueRecord, Encoded, Vector
from streams.api.catalogue.state import CatalogueState
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result
from tests.bench.world import DIM, facts_of_video

NAME = "api.memory"
AT_ONCE = 500  # records, as many as are read at once
LABELS = 12  # of a video with pictures and sound
ASKED = 20  # times each question
FILED, HELD = "vectors on disk", "vectors in memory"  # the second is what search commands have, and the API had


def per_video(ground: Ground) -> list[Result]:
    """Bytes a video, and CPU a question in ms, with vectors on disk and in memory."""
    count = ground.size(100_000, 2000)
    return [_measured(count, how) for how in (HELD, FILED)]


def _measured(count: int, how: str) -> Result:
    command = [sys.executable, "-m", "tests.bench.api_memory", str(count), how]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    anonymous, read, *more = map(float, ran.stdout.split())
    names = ("of files", "cpu_s", "text cpu_ms", "image cpu_ms", "text after an upload cpu_ms", "playlist cpu_ms")
    figures = dict(zip(names, (read / count, *more), strict=True))
    return Result(NAME, anonymous / count, "bytes/video", f"{count:,} videos, {how}", more=figures)


def _records(state: CatalogueState, count: int) -> Iterator[CatalogueRecord]:
    chance = np.random.default_rng(0)
    made_by = {one.name: (f"{one.name}-x@{one.version}", one.dim) for one in modalities_of(state.settings)}
    made_by[RETRIEVAL] = version_of(fusion_of(state.settings).version), DIM
    for number in range(count):
        vectors = {name: Vector(dim, version, _row(chance, dim)) for name, (version, dim) in made_by.items()}
        labels = {f"topic:{(number + n) % 400}": 0.5 for n in range(LABELS)}
        facts = facts_of_video(number, count, START_MS) | {"title": f"A title of some words for video {number}"}
        made = Encoded(vectors=vectors, labels=labels, description=f"What it is about, {number}. " * 5, **facts)
        yield videos.decode_features(videos.encode(made))  # as from Kafka: no two videos share their strings


def _row(chance: np.random.Generator, dim: int) -> bytes:
    row = chance.standard_normal(dim, np.float32)
    return bytes((row / np.linalg.norm(row)).astype("<f4").tobytes())


def _resident() -> tuple[int, int]:
    """Bytes of this process that are anonymous, and of files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return tuple(1024 * int(lines[name].split()[0]) for name in ("RssAnon", "RssFile"))  # type: ignore[return-value]


def _ms(ask: Callable[[], object]) -> float:
    ask()
    began = time.thread_time()
    for _ in range(ASKED):
        ask()
    return 1000 * (time.thread_time() - began) / ASKED


def main() -> None:
    """Fill a catalogue, ask it, and print what it took."""
    count, how = int(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        state = CatalogueState(Ground.defaults(data_dir=Path(folder)))
        if how == HELD:
            state.library = VideoLibrary()
        records, chance = _records(state, count + ASKED + 1), np.random.default_rng(1)
        state.apply_features([next(records) for _ in range(AT_ONCE)])
        gc.collect()
        began_s, before = time.process_time(), _resident()
        for start in range(AT_ONCE, count, AT_ONCE):
            state.apply_features([next(records) for _ in range(start, min(start + AT_ONCE, count))])
        cpu_s = time.process_time() - began_s
        state.settle()
        text, image = (chance.standard_normal(dim).astype(np.float32) for dim in (384, 1280))
        where, wish = SearchFilter(), Wish(state.library.column(RETRIEVAL)[1][:3])

        def after_an_upload() -> None:
            state.apply_features([next(records)])
            state.library.near(text, "text", 20, where)

        times = [
            _ms(lambda: state.library.near(text, "text", 20, where)),
            _ms(lambda: state.library.near(image, "image", 20, where)),
            _ms(after_an_upload),
            _ms(lambda: playlist(state.library, wish, 20)),
        ]
        gc.collect()
        grown = [now - then for now, then in zip(_resident(), before, strict=True)]
    print(*grown, cpu_s, *times)


if __name__ == "__main__":
    main()
