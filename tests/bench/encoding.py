"""encode.text: titles a second of the text encoder, on one thread."""

import time

from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from ranker.simulation.world import catalogue
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result

NAME = "encode.text"
WARM_UP = 32


def encode(ground: Ground) -> list[Result]:
    """In calls of 32 titles, and alone."""
    calls, alone = ground.size(1024, 64), ground.size(256, 32)
    titles = [f"{video.title} ({n})" for n, video in enumerate(catalogue(0, WARM_UP + calls + alone, START_MS))]
    encoder = TextEncoder(folder_of(ground.settings().cache_dir), model="minilm", provider="cpu", threads=1)
    encoder.encode(titles[:WARM_UP])
    some, others = titles[WARM_UP : WARM_UP + calls], titles[WARM_UP + calls :]
    return [_measured(encoder, some, 32), _measured(encoder, others, 1)]


def _measured(encoder: TextEncoder, titles: list[str], batch: int) -> Result:
    began_s = time.process_time()
    for start in range(0, len(titles), batch):
        encoder.encode(titles[start : start + batch])
    spent_s = time.process_time() - began_s
    at = f"fp32, {f'{batch} a call' if batch > 1 else 'alone'}"
    note = "made-up titles of about ten words, all different, by the CPU time of one thread"
    return Result(NAME, len(titles) / spent_s, "texts/s", at, note=note)
