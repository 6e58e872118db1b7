"""encode.text: titles a second of the text encoder, on one thread."""

import time

from encoders.base import Precision
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from ranker.simulation.world import catalogue
from tests.bench.ground import START_MS, Ground
from tests.bench.results import Result

NAME = "encode.text"
WARM_UP = 32


def encode(ground: Ground) -> list[Result]:
    """fp32 in calls of 32 titles and alone, int8 alone, as its scales allow nothing else."""
    calls, alone = ground.size(1024, 64), ground.size(256, 32)
    titles = [f"{video.title} ({n})" for n, video in enumerate(catalogue(0, WARM_UP + calls + alone, START_MS))]
    fp32, int8 = _encoder(ground, "fp32", titles), _encoder(ground, "int8", titles)
    some, others = titles[WARM_UP : WARM_UP + calls], titles[WARM_UP + calls :]
    return [_measured(fp32, some, 32, "fp32"), _measured(fp32, others, 1, "fp32"), _measured(int8, others, 1, "int8")]


def _encoder(ground: Ground, precision: Precision, titles: list[str]) -> TextEncoder:
    folder = folder_of(ground.settings().cache_dir)
    encoder = TextEncoder(folder, model="minilm", provider="cpu", threads=1, precision=precision)
    encoder.encode(titles[:WARM_UP])
    return encoder


def _measured(encoder: TextEncoder, titles: list[str], batch: int, precision: Precision) -> Result:
    began_s = time.process_time()
    for start in range(0, len(titles), batch):
        encoder.encode(titles[start : start + batch])
    spent_s = time.process_time() - began_s
    at = f"{precision}, {f'{batch} a call' if batch > 1 else 'alone'}"
    note = "made-up titles of about ten words, all different, by the CPU time of one thread"
    return Result(NAME, len(titles) / spent_s, "texts/s", at, note=note)
