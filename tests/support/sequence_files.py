"""A sequence model as a small file, made without torch: a person is the mean of the drawn vectors of their videos."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from encoders.fusion.projection import RETRIEVAL_DIM as CONTENT_DIM
from encoders.models.sequence import DIM, FORMAT, INPUTS, OUTPUTS

TYPES = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}


def write_sequence(path: Path, ids: Sequence[str], content: str = "", form: str = FORMAT, seed: int = 0) -> Path:
    """Write a model that knows these videos; `content` is the version of the vectors by which it takes others."""
    rng = np.random.default_rng(seed)
    table = np.concatenate([np.zeros((1, DIM)), rng.standard_normal((len(ids), DIM))]).astype(np.float32)
    matrix = rng.standard_normal((CONTENT_DIM, DIM)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "videos"], ["known"]),
        helper.make_node("MatMul", ["content", "matrix"], ["unknown"]),
        helper.make_node("Add", ["known", "unknown"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors", "axis"], ["person"], keepdims=0),
    ]
    arrays = {"table": table, "matrix": matrix, "axis": np.array([1])}
    inputs, outputs = (
        [helper.make_tensor_value_info(p.name, TYPES[p.dtype], p.shape) for p in ports] for ports in (INPUTS, OUTPUTS)
    )
    graph = helper.make_graph(
        nodes, "mean", inputs, outputs, [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"format": form, "videos": json.dumps([*ids]), "content": content})
    onnx.save(model, path)
    return path
