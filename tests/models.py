"""Makers for tests of encoders and model files: the real models, made-up titles, a tiny model, a damaged folder."""

import os
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from encoders.manifest import WEIGHTS, Manifest, describe, folder_of, verify, write
from schemas.settings import load

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


TITLES = made_up_titles(240)


def real_models() -> Path:
    """The folder that `make setup` has filled; where it has not, the ModelError says so."""
    folder = folder_of(load({}, os.environ, None).settings.cache_dir)
    verify(folder)
    return folder


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
