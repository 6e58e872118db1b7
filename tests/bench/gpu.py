"""The encoders on a GPU: `python -m tests.bench.gpu`. Refuses where there is none; nothing falls back to the CPU.

A sweep over batches of videos of 8 frames, 3 patches of sound and a title, without decoding: videos a second by the
clock for each modality and together, the card's name, and the rate that the multiply-adds come to.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

from encoders.audio import AudioEncoder
from encoders.base import ModelError
from encoders.describe import text_of_upload
from encoders.image import ImageEncoder
from encoders.manifest import folder_of
from encoders.text import TextEncoder
from schemas.settings import Settings, load
from tests.bench.videos import GFLOP, made

BATCHES = (1, 4, 16, 64)
TIMES = 5


def sweep(settings: Settings) -> list[str]:
    """A Markdown table, a row a batch."""
    folder = folder_of(settings.cache_dir)
    text = TextEncoder(folder, provider="cuda")
    image, audio = ImageEncoder(folder, provider="cuda"), AudioEncoder(folder, provider="cuda")
    lines = ["| videos a batch | text | image | audio | together | TFLOP/s |", "|---|---|---|---|---|---|"]
    videos = made(max(BATCHES))
    for batch in BATCHES:
        some = videos[:batch]
        titles = [f"{text_of_upload(upload)} {batch}" for upload, _ in some]
        frames = [content and content.frames for _, content in some]
        sounds = [content and content.sound for _, content in some]
        spent = {
            "text": seconds(lambda turn: text.encode([f"{title} {turn}" for title in titles])),  # noqa: B023  # called here
            "image": seconds(lambda _: image.encode(frames)),  # noqa: B023
            "audio": seconds(lambda _: audio.encode(sounds)),  # noqa: B023
        }
        together = batch / sum(spent.values())
        cells = [*(f"{batch / of:.0f}" for of in spent.values()), f"{together:.0f}"]
        lines.append(f"| {batch} | {' | '.join(cells)} | {together * sum(GFLOP.values()) / 1000:.2f} |")
    return lines


def seconds(work: Callable[[int], object]) -> float:
    """The best of a few turns by the clock, after one that warms up."""
    best = float("inf")
    for turn in range(TIMES + 1):
        began_s = time.perf_counter()
        work(turn)
        if turn:
            best = min(best, time.perf_counter() - began_s)
    return best


def card() -> str:
    """The card as its driver names it."""
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=__doc__).parse_args()
    try:
        lines = sweep(load({}, {}, None).settings)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join([f"{card()}, onnxruntime on CUDA, videos a second by the clock", *lines]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
