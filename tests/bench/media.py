"""decode.media: CPU a video takes to become frames and sound, in the process that forks for it and without."""

import time
from collections.abc import Callable
from io import FileIO
from statistics import median
from tempfile import TemporaryFile

from encoders.media.decode import decode
from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Limits
from tests.bench.ground import Ground
from tests.bench.results import Result
from tests.support.clips import clip

NAME = "decode.media"


def media(ground: Ground) -> list[Result]:
    """A 10 s clip, 720 x 1280 at 30 pictures a second, H.264 and AAC, a key frame each second."""
    data = clip(seconds=10, size=(720, 1280), rate=30, key_every=30)
    times = ground.size(20, 3)
    note = f"{len(data) / 1e6:.1f} MB; 8 frames of 224 x 224, 16 kHz mono; median of {times} by CPU time"
    return [
        Result(NAME, median(_here(data, times)), "cpu_ms", "in this process", note=note),
        Result(NAME, median(_confined(data, times)), "cpu_ms", "in a fork under limits", note=note),
    ]


def _here(data: bytes, times: int) -> list[float]:
    with TemporaryFile() as written:
        written.write(data)
        written.flush()
        with FileIO(written.fileno(), closefd=False) as file:
            decode(file, Limits())
            return [_spent_ms(lambda: decode(file, Limits())) for _ in range(times)]


def _confined(data: bytes, times: int) -> list[float]:
    """What this process and the fork take together; the process between them only waits."""
    with MediaReader() as reader:
        reader.read(data)
        spent = []
        for _ in range(times):
            ours_ms = _spent_ms(lambda: reader.read(data))
            spent.append(ours_ms + (reader.last.cpu_ms if reader.last else 0.0))
        return spent


def _spent_ms(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) * 1000
