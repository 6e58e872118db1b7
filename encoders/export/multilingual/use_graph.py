"""The Universal Sentence Encoder's part of the graph (Yang et al. 2020, arXiv:1907.04307), node by node."""

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors
from encoders.export.e5.graph import ints
from encoders.export.graph import TYPES, Graph
from encoders.export.multilingual.use_file import BEFORE, DIM, PARTS, WIDTHS, UseFile

INNER = 256


def use_rows(graph: Graph, file: UseFile, ids: str, mask: str) -> str:
    """Add the model: int64 [B, T] ids and mask to the name of float32 [B, 512], L2 norm 1, nothing centred."""
    weights, eps = file.weights, file.eps
    wide = graph.node("Cast", mask, to=TYPES["float32"])  # [B, T]
    column = graph.node("Unsqueeze", wide, ints(graph, -1))  # [B, T, 1]
    embedded = _embedded(graph, file, ids)
    joined = {name: np.concatenate([weights[f"{name}{width}"] for width in WIDTHS], axis=-1) for name in _NORMED}
    low = _linear(graph, embedded, joined["proj"], joined["proj_b"])
    low = _normed(graph, low, joined["ln_g"], joined["ln_b"], eps)
    branches = graph.nodes("Split", low, ints(graph, *[INNER] * len(WIDTHS)), outputs=len(WIDTHS), axis=-1)
    found = [_branch(graph, file, width, rows, column) for width, rows in zip(WIDTHS, branches, strict=True)]
    features = graph.node("Concat", embedded, *found, axis=-1)  # [B, T, 1280]
    features = _normed(graph, features, weights["ln_g"], weights["ln_b"], eps)
    row = graph.node("Unsqueeze", wide, ints(graph, 1))  # [B, 1, T]
    summed = graph.node("Squeeze", graph.node("MatMul", row, features), ints(graph, 1))  # [B, 1280]
    count = graph.node("ReduceSum", wide, ints(graph, 1), keepdims=1)  # [B, 1]
    bias = graph.node("Mul", count, graph.constant(weights["cnn_b"]))
    total = graph.node("Add", graph.node("MatMul", summed, graph.constant(weights["cnn_W"])), bias)
    return _deep(graph, weights, graph.node("Div", total, graph.node("Sqrt", count)))


_NORMED = ("proj", "proj_b", "ln_g", "ln_b")


def packed(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Four numbers of 6 bits in three bytes, the first bytes of all fours together: uint8 [V, 4 n] to [V, 3 n]."""
    a, b, c, d = table.reshape(len(table), -1, 4).transpose(2, 0, 1)
    return np.concatenate([a << 2 | b >> 4, (b & 15) << 4 | c >> 2, (c & 3) << 6 | d], axis=1)


def _embedded(graph: Graph, file: UseFile, ids: str) -> str:
    """[B, T, 512]; rows of the table are unpacked and scaled after the look-up."""
    found = graph.node("Gather", graph.constant(packed(file.table)), ids)  # uint8 [B, T, 384]
    one, two, three = graph.nodes("Split", found, ints(graph, *[DIM // 4] * 3), outputs=3, axis=-1)
    numbers = (
        _shifted(graph, one, "RIGHT", 2),
        graph.node("BitwiseOr", _shifted(graph, _masked(graph, one, 3), "LEFT", 4), _shifted(graph, two, "RIGHT", 4)),
        graph.node(
            "BitwiseOr", _shifted(graph, _masked(graph, two, 15), "LEFT", 2), _shifted(graph, three, "RIGHT", 6)
        ),
        _masked(graph, three, 63),
    )
    four = [graph.node("Unsqueeze", one, ints(graph, -1)) for one in numbers]
    together = graph.node("Reshape", graph.node("Concat", *four, axis=-1), ints(graph, 0, 0, DIM))
    part = graph.node("Mod", ids, graph.constant(np.int64(PARTS)))
    scale, low = (
        graph.node("Unsqueeze", graph.node("Gather", graph.constant(values), part), ints(graph, -1))
        for values in (file.scales, file.lows)
    )
    return graph.node("Add", graph.node("Mul", graph.node("Cast", together, to=TYPES["float32"]), scale), low)


def _shifted(graph: Graph, bytes_: str, direction: str, bits: int) -> str:
    return graph.node("BitShift", bytes_, graph.constant(np.uint8(bits)), direction=direction)


def _masked(graph: Graph, bytes_: str, kept: int) -> str:
    return graph.node("BitwiseAnd", bytes_, graph.constant(np.uint8(kept)))


def _linear(graph: Graph, rows: str, weights: Vectors, bias: Vectors) -> str:
    return graph.node("Add", graph.node("MatMul", rows, graph.constant(weights)), graph.constant(bias))


def _normed(graph: Graph, rows: str, weight: Vectors, bias: Vectors, eps: float) -> str:
    return graph.node("LayerNormalization", rows, graph.constant(weight), graph.constant(bias), axis=-1, epsilon=eps)


def _branch(graph: Graph, file: UseFile, width: int, rows: str, column: str) -> str:
    """Two convolutions over so many pieces, each added to what it was made of; padding counts as zeros."""
    for step in (1, 2):
        weights, bias = file.weights[f"w{step}_{width}"], file.weights[f"b{step}_{width}"]
        kernel = np.ascontiguousarray(weights.reshape(width, INNER, INNER).transpose(2, 1, 0))
        turned = graph.node("Transpose", graph.node("Mul", rows, column), perm=[0, 2, 1])  # [B, 256, T]
        before = BEFORE[width]
        pads = [before, width - 1 - before]
        made = graph.node("Conv", turned, graph.constant(kernel), graph.constant(bias), pads=pads)
        rows = graph.node("Add", graph.node("Transpose", graph.node("Relu", made), perm=[0, 2, 1]), rows)
    return rows


def _deep(graph: Graph, weights: dict[str, Vectors], rows: str) -> str:
    def times(one: str, name: str) -> str:
        return graph.node("MatMul", one, graph.constant(weights[name]))

    first = graph.node("Relu", times(rows, "d0"))
    second = graph.node("Relu", graph.node("Add", times(rows, "p1"), times(first, "d1")))
    third = graph.node("Relu", times(second, "d2"))
    last = graph.node("Tanh", graph.node("Add", times(second, "p3"), times(third, "d3")))
    return graph.node("LpNormalization", last, axis=-1, p=2)
