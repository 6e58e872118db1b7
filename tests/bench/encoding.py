"""encode.text: titles a second of the text encoder, on one thread."""

import time

from encoders.manifest import folder_of
from encoders.text import Precision, TextEncoder
from ranker.simulate import catalogue
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result

NAME = "encode.text"
WARM_UP = 32


def encode(ground: Ground) -> list[Result]:
    """fp32 in calls of 32 titles and alone, int8 alone, as its scales allow nothing else."""
    return [
        _measured(ground, "fp32", 32, ground.size(1024, 96)),
        _measured(ground, "fp32", 1, ground.size(256, 32)),
        _measured(ground, "int8", 1, ground.size(512, 64)),
    ]


def _measured(ground: Ground, precision: Precision, batch: int, count: int) -> Result:
    folder = folder_of(ground.settings().cache_dir)
    encoder = TextEncoder(folder, provider="cpu", threads=1, precision=precision)
    titles = [f"{video.title} ({n})" for n, video in enumerate(catalogue(0, WARM_UP + count, START_MS))]
    encoder.encode(titles[:WARM_UP])
    began_s = time.process_time()
    for start in range(WARM_UP, len(titles), batch):
        encoder.encode(titles[start : start + batch])
    spent_s = time.process_time() - began_s
    at = f"{precision}, {f'{batch} a call' if batch > 1 else 'alone'}"
    note = "made-up titles of about ten words, all different, by the CPU time of one thread"
    return Result(NAME, count / spent_s, "texts/s", at, note=note)
