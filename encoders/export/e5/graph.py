"""The graph of multilingual-e5-small, written node by node from its packed weights."""

import numpy as np

from encoders.base import Vectors
from encoders.export.e5.packed import BLOCK, Blocks, E5File
from encoders.export.graph import RUNTIME, TYPES, Graph
from encoders.modalities.text_models import INPUTS, OUTPUTS

OPSET = 20
INT8_SUMS = 4  # accuracy_level of MatMulNBits: 32 numbers of a token share a scale, and no other token is looked at
MASKED = -1e4  # what a place that is padding adds to the logarithm of its share; its share is then 0 in float32


def e5_graph(file: E5File, mean: Vectors, languages: Vectors) -> Graph:
    """The model: int64 [B, T] ids and mask to float32 [B, 384], L2 norm 1.

    mean       float32 [384], taken from every vector
    languages  float32 [384, L], orthonormal: directions that are taken out of it
    """
    graph = Graph(INPUTS, opset=OPSET)
    rows = e5_rows(graph, file, *(port.name for port in INPUTS))
    kept = np.eye(file.shape.dim, dtype=np.float32) - languages @ languages.T
    less = graph.node("Sub", rows, graph.constant(mean))
    graph.output(unit(graph, graph.node("MatMul", less, graph.constant(kept))), OUTPUTS[0])
    return graph


def e5_rows(graph: Graph, file: E5File, ids: str, mask: str) -> str:
    """Add the model: int64 [B, T] ids and mask to the name of float32 [B, 384], L2 norm 1, nothing centred."""
    rows = _embedded(graph, file, ids)
    wide = graph.node("Cast", mask, to=TYPES["float32"])  # [B, T]
    hidden = graph.node("Sub", graph.constant(np.float32(1)), wide)
    bias = graph.node("Unsqueeze", graph.node("Mul", hidden, graph.constant(np.float32(MASKED))), ints(graph, 1, 2))
    for layer in range(file.shape.layers):
        rows = _layer(graph, file, f"l{layer}.", rows, bias)
    weights = graph.node("Unsqueeze", wide, ints(graph, 1))  # [B, 1, T]
    total = graph.node("Squeeze", graph.node("MatMul", weights, rows), ints(graph, 1))  # [B, 384]
    return unit(graph, total)


def ints(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))


def unit(graph: Graph, rows: str) -> str:
    return graph.node("LpNormalization", rows, axis=-1, p=2)


def _linear(graph: Graph, rows: str, weights: Blocks, bias: Vectors) -> str:
    """Rows [..., K] times 4-bit weights [N, K], plus bias."""
    n, k = weights.nibbles.shape
    pairs = weights.nibbles.reshape(n, k // BLOCK, BLOCK // 2, 2)  # here byte j holds the weights 2 j and 2 j + 1
    packed = pairs[..., 0] | pairs[..., 1] << 4
    inputs = (rows, graph.constant(packed), graph.constant(weights.scales), "", "", graph.constant(bias))
    sizes = {"K": k, "N": n, "bits": 4, "block_size": BLOCK, "accuracy_level": INT8_SUMS}
    return graph.node("MatMulNBits", *inputs, domain=RUNTIME, **sizes)


def _normed(graph: Graph, rows: str, more: str, weight: Vectors, bias: Vectors, eps: float) -> str:
    """The sum of two [..., D], each row brought to mean 0 and variance 1, then scaled and shifted."""
    inputs = (rows, more, graph.constant(weight), graph.constant(bias))
    return graph.node("SkipLayerNormalization", *inputs, domain=RUNTIME, epsilon=eps)


def _embedded(graph: Graph, file: E5File, ids: str) -> str:
    """[B, T, 384] of pieces, places and the only token type; rows of the table are scaled after the look-up."""
    dim, blocks = file.shape.dim, file.shape.dim // BLOCK
    table = file.blocks["emb.word"]
    halves = table.nibbles.reshape(-1, blocks, 2, BLOCK // 2)
    packed = graph.constant((halves[:, :, 0] | halves[:, :, 1] << 4).reshape(-1, dim // 2))  # [V, 192]
    found = graph.node("Gather", packed, ids)  # uint8 [B, T, 192]
    shape = ints(graph, 0, 0, blocks, BLOCK // 2)
    low = graph.node("BitwiseAnd", found, graph.constant(np.uint8(15)))
    high = graph.node("BitShift", found, graph.constant(np.uint8(4)), direction="RIGHT")
    pair = graph.node("Concat", graph.node("Reshape", low, shape), graph.node("Reshape", high, shape), axis=-1)
    weights = graph.node("Sub", graph.node("Cast", pair, to=TYPES["float32"]), graph.constant(np.float32(8)))
    scales = graph.node("Gather", graph.constant(table.scales.astype(np.float16)), ids)  # [B, T, 12]
    scales = graph.node("Unsqueeze", graph.node("Cast", scales, to=TYPES["float32"]), ints(graph, -1))
    words = graph.node("Reshape", graph.node("Mul", weights, scales), ints(graph, 0, 0, dim))
    places = file.vectors["emb.pos"].reshape(-1, dim) + file.vectors["emb.type"][:dim]
    length = graph.node("Shape", ids, start=1, end=2)
    near = graph.node("Slice", graph.constant(places), ints(graph, 0), length, ints(graph, 0))  # [T, 384]
    summed = graph.node("Add", words, near)
    norm = (graph.constant(file.vectors["emb.ln.w"]), graph.constant(file.vectors["emb.ln.b"]))
    return graph.node("LayerNormalization", summed, *norm, axis=-1, epsilon=file.eps)


def _layer(graph: Graph, file: E5File, at: str, rows: str, bias: str) -> str:
    vectors, eps = file.vectors, file.eps
    three = [file.blocks[f"{at}{part}.w"] for part in "qkv"]
    joined = Blocks(*(np.concatenate([getattr(one, of) for one in three]) for of in ("nibbles", "scales")))
    found = _linear(graph, rows, joined, np.concatenate([vectors[f"{at}{part}.b"] for part in "qkv"]))
    heads, width = file.shape.heads, file.shape.dim // file.shape.heads
    split = graph.node("Reshape", found, ints(graph, 0, 0, 3, heads, width))
    turned = graph.node("Transpose", split, perm=[2, 0, 3, 1, 4])  # [3, B, heads, T, 32]
    q, k, v = (graph.node("Gather", turned, graph.constant(np.int64(part)), axis=0) for part in range(3))
    scale = graph.constant(np.float32(width**-0.5))
    products = graph.node("MatMul", graph.node("Mul", q, scale), graph.node("Transpose", k, perm=[0, 1, 3, 2]))
    shares = graph.node("Softmax", graph.node("Add", products, bias), axis=-1)
    mixed = graph.node("Transpose", graph.node("MatMul", shares, v), perm=[0, 2, 1, 3])
    context = graph.node("Reshape", mixed, ints(graph, 0, 0, file.shape.dim))
    out = _linear(graph, context, file.blocks[f"{at}ao.w"], vectors[f"{at}ao.b"])
    rows = _normed(graph, out, rows, vectors[f"{at}aln.w"], vectors[f"{at}aln.b"], eps)
    inner = graph.node("Gelu", _linear(graph, rows, file.blocks[f"{at}fi.w"], vectors[f"{at}fi.b"]))
    out = _linear(graph, inner, file.blocks[f"{at}fo.w"], vectors[f"{at}fo.b"])
    return _normed(graph, out, rows, vectors[f"{at}oln.w"], vectors[f"{at}oln.b"], eps)
