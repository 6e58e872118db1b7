"""What the picture and sound models lose when they are made smaller: `python -m tests.bench.compression_media DIR`.

DIR holds `clips` and `audio` as beside the project. Every variant is compared with the model as its authors published
it, picture by picture and patch by patch: the vectors' cosines, and how many of the 10 nearest it keeps. Pictures of
three clips and patches of ten recordings have many near relatives, so neighbours are kept more easily than among
videos.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import onnx
from numpy.typing import NDArray

from encoders.base import Vectors
from encoders.modalities import audio, image
from encoders.modalities.audio import PATCH, RATE, WHOLE
from encoders.modalities.image import SIDE
from encoders.models import manifest
from encoders.models.manifest import EXPORTER, WEIGHTS, Manifest
from encoders.models.session import Model, Port, open_model, quantise_nodes
from tests.bench.compression import Make, copied, halved, kept, neighbours, pruned
from tests.bench.ground import Ground
from tests.bench.machine import on_two_cores
from tests.bench.metrics import interval

PICTURES, PATCHES = 60, 12  # of a clip, of a recording
ROUNDS, TIMED = 20, 3
MEGA = 1e6
Parts = NDArray[Any]


class Kind(NamedTuple):
    """Models of one modality: its ports, and the variants by name with the file that each is made of."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]
    variants: dict[str, tuple[str, Make]]


def pictures(folder: Path) -> Parts:
    """Frames of all clips, evenly spread, the middle of each at 224 pixels: uint8 [N, 224, 224, 3]."""
    found = []
    for path in sorted(folder.iterdir()):
        with av.open(path) as container:
            frames = [frame for number, frame in enumerate(container.decode(video=0)) if number % 5 == 0]
        for place in np.linspace(0, len(frames) - 1, PICTURES).astype(int):
            frame = frames[place]
            scale = SIDE / min(frame.width, frame.height)
            size = round(frame.width * scale), round(frame.height * scale)
            whole = frame.reformat(*size, format="rgb24").to_ndarray()
            top, left = (whole.shape[0] - SIDE) // 2, (whole.shape[1] - SIDE) // 2
            found.append(whole[top : top + SIDE, left : left + SIDE])
    return np.stack(found)


def patches(folders: Sequence[Path]) -> Parts:
    """Patches of all recordings and clips that sound, evenly spread: float32 [N, 48000]."""
    found = []
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.suffix in (".ogg", ".webm")):
        sound = np.concatenate(list(samples(path)))
        count = min(PATCHES, len(sound) // PATCH)
        starts = np.linspace(0, len(sound) - PATCH, max(count, 1)).astype(int) if count else []
        found += [sound[start : start + PATCH] for start in starts]
    return np.stack(found)


def samples(path: Path) -> Iterator[Vectors]:
    """The sound of a file, mono at 16 kHz."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            yield from (part.to_ndarray()[0] for part in resampler.resample(frame))


def quantised(examples: Parts, port: Port) -> Make:
    """All convolutions and their ReLU6 in int8, with scales from these examples, which are among those compared."""

    def quantise(source: Path, target: Path) -> None:
        graph = list(onnx.load(source).graph.node)
        last = max(place for place, node in enumerate(graph) if node.op_type == "Conv")
        nodes = [node.name for node in graph[: last + 2] if node.op_type in ("Conv", "Clip")]
        quantise_nodes(source, target, nodes, ({port.name: one[None]} for one in examples))

    return quantise


def kinds(frames: Parts, sounds: Parts) -> dict[str, Kind]:
    fp32, int8 = image.FILES["fp32"], image.FILES["int8"]
    return {
        "picture": Kind(
            image.INPUTS,
            image.OUTPUTS,
            {
                "fp32": (fp32, copied),
                "**int8 in the later half**": (int8, copied),
                "int8 throughout": (fp32, quantised(frames[::16], image.INPUTS[0])),
                "fp16 weights": (fp32, halved),
                "30 % pruned": (fp32, pruned(0.3)),
                "50 % pruned": (fp32, pruned(0.5)),
            },
        ),
        "sound": Kind(
            audio.INPUTS,
            audio.OUTPUTS,
            {
                "fp32, as published": (WHOLE, copied),
                "**without dead filters**": (audio.FILE, copied),
                "the same, int8": (audio.FILE, quantised(sounds[::8], audio.INPUTS[0])),
                "the same, fp16 weights": (audio.FILE, halved),
                "the same, 30 % pruned": (audio.FILE, pruned(0.3)),
                "the same, 50 % pruned": (audio.FILE, pruned(0.5)),
            },
        ),
    }


def opened(kind: Kind, models: Path, aside: Path, file: str, make: Make) -> tuple[int, Model]:
    """Make a variant in a folder with a manifest of its own; its bytes and the model as in service."""
    aside.mkdir()
    make(models / file, aside / file)
    described = manifest.describe(aside / file, source="tests.bench", licence="as its source")
    manifest.write(aside, Manifest(WEIGHTS, EXPORTER, (described,)))
    return described.bytes, open_model(aside / file, provider="cpu", inputs=kind.inputs, outputs=kind.outputs)


def ms_each(found: dict[str, tuple[int, Model]], parts: Parts, rounds: int) -> dict[str, float]:
    """CPU time of one thread for one part alone, the best of several rounds in which everybody's turn comes."""
    best = dict.fromkeys(found, float("inf"))
    for turn in range(rounds):
        for name, (_, model) in found.items():
            for part in parts[turn * TIMED % len(parts) :][:TIMED]:
                best[name] = min(best[name], spent_ms(lambda model=model, part=part: model(part[None])))  # type: ignore[misc]
    return best


def spent_ms(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return 1000 * (time.process_time() - began_s)


def table(kind: Kind, models: Path, parts: Parts, rounds: int) -> list[str]:
    """A Markdown table, a row a variant."""
    with tempfile.TemporaryDirectory(prefix="freshet-bench-") as folder:
        places = {name: Path(folder) / str(number) for number, name in enumerate(kind.variants)}
        found = {name: opened(kind, models, places[name], *of) for name, of in kind.variants.items()}
        made = {name: np.concatenate([model(part[None])[0] for part in parts]) for name, (_, model) in found.items()}
        spent = ms_each(found, parts, rounds)
    exact = next(iter(made.values()))
    near = neighbours(exact)
    rows = ["| model | MB | ms | cosine, mean | least | recall@10 | 95 % |", "|---|---|---|---|---|---|---|"]
    for name, vectors in made.items():
        cosines, recall = (vectors * exact).sum(axis=1), kept(near, neighbours(vectors))
        low, high = interval(recall)
        told = f"{cosines.mean():.4f} | {cosines.min():.4f} | {recall.mean():.3f} | {low:.3f} to {high:.3f}"
        rows.append(f"| {name} | {found[name][0] / MEGA:.1f} | {spent[name]:.1f} | {told} |")
    return rows


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.compression_media", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with `clips` and `audio`")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of timing; the best counts")
    asked = parser.parse_args(given)
    if not all((asked.folder / name).is_dir() for name in ("clips", "audio")):
        sys.exit(f"{asked.folder} has no folders `clips` and `audio`: name the folder of the real data.")
    on_two_cores()
    models = manifest.folder_of(Ground.defaults().cache_dir)
    parts = {
        "picture": pictures(asked.folder / "clips"),
        "sound": patches([asked.folder / "audio", asked.folder / "clips"]),
    }
    for name, kind in kinds(parts["picture"], parts["sound"]).items():
        print(f"{name}: {len(parts[name])} parts; ms are CPU time of one thread, the best of {asked.rounds} rounds\n")
        print("\n".join([*table(kind, models, parts[name], asked.rounds), ""]))


if __name__ == "__main__":
    main()
