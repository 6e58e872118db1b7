"""Makers for tests of encoders and model files: the real models, made-up titles, frames and sounds, a tiny model."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from encoders.base import Precision, TextModelName, Vectors
from encoders.embedder import VideoEmbedder
from encoders.modalities.audio import RATE
from encoders.modalities.configured import modalities_in
from encoders.modalities.image import SIDE
from encoders.modalities.modality import ModalityContext, ModalitySet
from encoders.models.manifest import (
    EXPORTER,
    FILES,
    WEIGHTS,
    Manifest,
    describe,
    folder_of,
    verify,
    verify_for,
    write,
)
from schemas.settings.load import load
from tests.support.brokers import CACHE

PARTS = [
    "street food in Osaka",
    "my cat learns to swim",
    "Überraschung am Bahnhof",
    "レシピ 簡単",
    "приготовить ужин дома",
    "🐱🐱🐱",
    "el mejor gol del año",
    "أفضل وصفات",
    "#fyp",
    "北京的冬天",
    "guitar lesson for beginners",
    "i̇stanbul'da bir gün",
    "한국 여행",
    "lo-fi beats 24/7",
]


def made_up_titles(count: int) -> list[str]:
    """Titles of one to 24 parts in several languages, all distinct, always the same."""
    rng = np.random.default_rng(7)
    return [f"{' '.join(rng.choice(PARTS, rng.choice([1, 1, 1, 1, 2, 2, 3, 24])))} {number}" for number in range(count)]


TITLES = made_up_titles(120)


def made_up_frames(count: int, seed: int = 3) -> NDArray[np.uint8]:
    """Frames uint8 [count, 224, 224, 3] of coloured squares, always the same."""
    squares = np.random.default_rng((seed, count)).integers(0, 256, (count, 7, 7, 3), np.uint8)
    return squares.repeat(SIDE // 7, axis=1).repeat(SIDE // 7, axis=2)


def chirp(seconds: float, start_hz: float = 200.0) -> Vectors:
    """A tone that rises by 600 Hz a second, with noise, float32 [S] at 16 kHz; without a random number."""
    at = np.arange(round(seconds * RATE), dtype=np.int64)
    noise = (at * at * 7919 % 10007) / 10007 - 0.5
    time = at / RATE
    return (0.3 * np.sin(2 * np.pi * (start_hz + 300 * time) * time) + 0.1 * noise).astype(np.float32)


@cache
def real_models() -> Path:
    """The folder that `make setup` has filled; where it has not, the ModelError says so."""
    folder = folder_of(CACHE.settings.cache_dir)
    verify(folder)
    return folder


@cache
def real_models_with(text_model: TextModelName) -> Path:
    """The same with the files of a text model; where they were not made, the ModelError says how."""
    verify_for(folder := real_models(), text_model)
    return folder


def built_in(folder: Path = Path(), precision: Precision = "int8", text_model: TextModelName = "minilm") -> ModalitySet:
    """Text, pictures and sound; a folder is only looked at where a model or a fusion is opened."""
    context = ModalityContext(folder=folder, provider="cpu", image_precision=precision, text_model=text_model)
    return modalities_in(context, load({}, {}, None).settings.modalities)


@cache
def real_embedder() -> VideoEmbedder:
    """The encoders of an encoding agent, on the CPU; opened once a process."""
    folder = real_models().parents[1]  # its labels/ is kept between runs
    return VideoEmbedder.of(load({"cache_dir": folder, "data_dir": folder, "provider": "cpu"}, {}, None).settings)


def with_one_file_changed(models: Path, folder: Path, name: str, content: bytes | None) -> Path:
    """A model folder of links to the real one, but for one file: other bytes, or none."""
    folder.mkdir()
    for path in models.iterdir():
        if path.name != name:
            (folder / path.name).symlink_to(path)
    if content is not None:
        (folder / name).write_bytes(content)
    return folder


def doubling(folder: Path, content: bytes | None = None) -> Path:
    """A tiny model with its manifest: y = x + x for float32 x [N, 3]."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", ports[:1], ports[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = folder / "doubling.onnx"
    path.write_bytes(onnx.ModelProto.SerializeToString(made) if content is None else content)
    write(folder, Manifest(WEIGHTS, "test", (describe(path, source="a test", licence="Apache-2.0"),)))
    return path


SMALL = ("a.txt", *sorted(FILES))


def small_folder(folder: Path, content: str = "a") -> Path:
    """A complete model folder of `SMALL` files, of which none can be opened."""
    folder.mkdir(parents=True)
    files = []
    for name in SMALL:
        (folder / name).write_text(content)
        files.append(
            describe(folder / name, source="a test", licence="Apache-2.0", dim=3, parity={"torch_max_abs": 1e-7})
        )
    write(folder, Manifest(WEIGHTS, EXPORTER, tuple(files)))
    return folder
