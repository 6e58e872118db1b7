"""The encoders on a GPU: `python -m tests.bench.gpu`. Refuses where there is none; nothing falls back to the CPU.

A sweep over batches of videos of 8 frames, 3 patches of sound and a title, without decoding, in fp32 and with text and
pictures in fp16 (the sound's spectrogram leaves fp16's range): videos a second by the clock for each modality and
together (with the English text model; the one for all languages has a column of its own, in fp32), and the rate that
their multiply-adds come to beside the one that the card reaches on large products of fp16 matrices, whose rate is
bf16's. Then how near the card's vectors are to the CPU's.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from encoders.base import ModelError
from encoders.embedder import content_of
from encoders.modalities import image, text_models
from encoders.modalities.audio import AudioEncoder
from encoders.modalities.image import ImageEncoder
from encoders.modalities.text import TextEncoder
from encoders.models import manifest
from encoders.models.manifest import EXPORTER, WEIGHTS, Manifest, folder_of
from encoders.models.session import Provider
from schemas.settings.load import load
from tests.bench.videos import GFLOP, Videos, made

BATCHES = (1, 4, 16, 64)
TIMES = 5
ALONE = 4  # videos that are also encoded alone
SIDE, CHAIN = 8192, 4  # of the matrices, and how many products follow one another
HALVED = (text_models.MINILM.file, image.FILES["fp32"])


def table(models: Path, videos: Videos, peak: float, provider: Provider = "cuda") -> list[str]:
    """A Markdown table, a row a precision and batch; peak in TFLOP/s."""
    columns = "| precision | videos a batch | text | image | audio | together | TFLOP/s | of the card's | text by e5 |"
    lines = [columns, "|---|---|---|---|---|---|---|---|---|"]
    languages = TextEncoder(models, model="e5", provider=provider)
    for precision in ("fp32", "fp16"):
        with folder_in(precision, models) as folder:
            encoders = (
                TextEncoder(folder, provider=provider),
                ImageEncoder(folder, provider=provider),
                AudioEncoder(models, provider=provider),
            )
            for batch in (size for size in BATCHES if size <= len(videos)):
                spent = sweep(*encoders, videos[:batch])
                together = batch / sum(spent)
                rate = together * sum(GFLOP.values()) / 1000
                cells = [precision, f"{batch}", *(f"{batch / of:.1f}" for of in spent), f"{together:.1f}"]
                e5 = f"{batch / titled(languages, videos[:batch]):.0f}" if precision == "fp32" else "–"
                lines.append(f"| {' | '.join(cells)} | {rate:.2f} | {rate / peak:.1%} | {e5} |")
    return lines


def agreement(models: Path, videos: Videos, provider: Provider = "cuda") -> list[str]:
    """A Markdown table, a row an encoder: how near its vectors are to a CPU's, and to its own of a video alone."""
    contents = [content_of(*one) for one in videos]
    titles = [content.text for content in contents]
    lines = [
        "| encoder | least cosine to the CPU | largest difference of a coordinate | alone to in a batch |",
        "|---|---|---|---|",
    ]
    for name, opened, given in (
        ("text", partial(TextEncoder, models), titles),
        ("text by e5", partial(TextEncoder, models, model="e5"), titles),
        ("image", partial(ImageEncoder, models), [content.frames for content in contents]),
        ("audio", partial(AudioEncoder, models), [content.sound for content in contents]),
    ):
        there, here = opened(provider=provider).encode(given), opened(provider="cpu").encode(given)
        alone = np.concatenate([opened(provider=provider).encode([one]) for one in given[:ALONE]])
        apart = [abs(there - here).max(), abs(alone - there[:ALONE]).max()]
        lines.append(f"| {name} | {(there * here).sum(axis=1).min():.7f} | {apart[0]:.1e} | {apart[1]:.1e} |")
    return lines


def sweep(words: TextEncoder, pictures: ImageEncoder, sound: AudioEncoder, videos: Videos) -> list[float]:
    """Seconds for text, pictures and sound of these videos."""
    frames = [content and content.frames for _, content in videos]
    sounds = [content and content.sound for _, content in videos]
    return [
        titled(words, videos),
        seconds(lambda _: pictures.encode(frames)),
        seconds(lambda _: sound.encode(sounds)),
    ]


def titled(words: TextEncoder, videos: Videos) -> float:
    """Seconds for the text of these videos; titles differ each time, since texts are remembered."""
    titles = [content_of(upload).text for upload, _ in videos]
    return seconds(lambda turn: words.encode([f"{title} {len(videos)} {turn}" for title in titles]))


@contextmanager
def folder_in(precision: str, models: Path) -> Iterator[Path]:
    """The models' folder, or one beside it in which text and pictures are fp16 inside; inputs and outputs stay."""
    if precision == "fp32":
        yield models
        return
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as aside:
        folder = Path(aside)
        for file in manifest.read(models).files:
            if file.name in HALVED:
                whole = onnx.load(models / file.name)
                onnx.save(convert_float_to_float16(whole, keep_io_types=True), folder / file.name)
            elif not file.name.endswith(".onnx"):
                (folder / file.name).symlink_to((models / file.name).resolve())
        files = [manifest.describe(path, source="tests.bench", licence="") for path in sorted(folder.iterdir())]
        manifest.write(folder, Manifest(WEIGHTS, EXPORTER, tuple(files)))
        yield folder


def seconds(work: Callable[[int], object]) -> float:
    """The best of a few turns by the clock, after one that warms up."""
    best = float("inf")
    for turn in range(TIMES + 1):
        began_s = time.perf_counter()
        work(turn)
        if turn:
            best = min(best, time.perf_counter() - began_s)
    return best


def products(side: int, device: str = "cuda") -> float:
    """TFLOP/s of products of fp16 matrices [side, side] that stay on the device."""
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(0, side**-0.5, (side, side)).astype(np.float16), "w")
    names = ["x", *(f"x{number}" for number in range(1, CHAIN + 1))]
    nodes = [helper.make_node("MatMul", [one, "w"], [other]) for one, other in pairwise(names)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [side, side]) for name in (names[0], names[-1])]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    provider = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[device]
    session = ort.InferenceSession(model.SerializeToString(), providers=[provider])
    if session.get_providers()[0] != provider:
        raise ModelError(f"the products do not run on {device}.")
    binding = session.io_binding()
    binding.bind_ortvalue_input(
        "x", ort.OrtValue.ortvalue_from_numpy(rng.random((side, side)).astype(np.float16), device, 0)
    )
    binding.bind_output(names[-1], device)
    return 2 * CHAIN * side**3 / seconds(lambda _: session.run_with_iobinding(binding)) / 1e12


def card() -> str:
    """The card as its driver names it."""
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=__doc__).parse_args()
    models = folder_of(load({}, os.environ, None).settings.cache_dir)
    try:
        TextEncoder(models, provider="cuda")  # refuses before anything is measured
        peak = products(SIDE)
        videos = made(max(BATCHES))
        lines = [*table(models, videos, peak), "", *agreement(models, videos)]
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join([f"{card()}, {peak:.0f} TFLOP/s in fp16; onnxruntime on CUDA, videos/s by the clock", "", *lines]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
