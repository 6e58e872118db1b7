"""The Universal Sentence Encoder in plain numpy, which the exported graph is compared with."""

import numpy as np

from encoders.base import Vectors
from encoders.export.multilingual.use_file import BEFORE, WIDTHS, UseFile


def use_vector(file: UseFile, ids: list[int]) -> Vectors:
    """A text's pieces, with beginning and end, to float32 [512], L2 norm 1."""
    weights = file.weights
    embedded = file.rows(ids)
    low = np.hstack([embedded @ weights[f"proj{width}"] + weights[f"proj_b{width}"] for width in WIDTHS])
    scale, shift = (np.hstack([weights[f"{name}{width}"] for width in WIDTHS]) for name in ("ln_g", "ln_b"))
    low = _normed(low, scale, shift, file.eps)
    branches = [
        _branch(file, width, rows) for width, rows in zip(WIDTHS, np.split(low, len(WIDTHS), axis=1), strict=True)
    ]
    features = _normed(np.hstack([embedded, *branches]), weights["ln_g"], weights["ln_b"], file.eps)
    mean = (features @ weights["cnn_W"] + weights["cnn_b"]).sum(axis=0) / np.sqrt(len(ids))
    first = np.maximum(mean @ weights["d0"], 0)
    second = np.maximum(mean @ weights["p1"] + first @ weights["d1"], 0)
    third = np.maximum(second @ weights["d2"], 0)
    last = np.tanh(second @ weights["p3"] + third @ weights["d3"])
    return np.asarray(last / np.linalg.norm(last), np.float32)


def _normed(rows: Vectors, weight: Vectors, bias: Vectors, eps: float) -> Vectors:
    scaled = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(rows.var(axis=1, keepdims=True) + eps)
    return np.asarray(scaled * weight + bias, np.float32)


def _branch(file: UseFile, width: int, rows: Vectors) -> Vectors:
    for step in (1, 2):
        padded = np.pad(rows, ((BEFORE[width], width - 1 - BEFORE[width]), (0, 0)))
        windows = np.hstack([padded[at : at + len(rows)] for at in range(width)])
        made = windows @ file.weights[f"w{step}_{width}"] + file.weights[f"b{step}_{width}"]
        rows = np.asarray(np.maximum(made, 0) + rows, np.float32)
    return rows
