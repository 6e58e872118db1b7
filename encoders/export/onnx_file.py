"""Torch to an ONNX file, and how far the two differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from encoders.models.session import Model, Port

OPSET = 18
BATCH = torch.export.Dim("batch", min=1, max=4096)


def save_onnx(
    module: Any,
    examples: Sequence[Any],
    path: Path,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    axes: Mapping[int, Any],
) -> None:
    """Write a torch module as one ONNX file.

    examples  one tensor per input; its free axes are longer than 1, since 1 would count as fixed
    axes      which axes of every input are free
    """
    program = torch.onnx.export(
        module,
        tuple(examples),
        dynamo=True,
        opset_version=OPSET,
        input_names=[port.name for port in inputs],
        output_names=[port.name for port in outputs],
        dynamic_shapes={port.name: dict(axes) for port in inputs},
        verbose=False,
    )
    program.save(path, external_data=False)
    _forget_origin(path)


def _forget_origin(path: Path) -> None:
    """Remove the exporter's stack traces: they name folders of this machine, and no two exports would be equal."""
    model = onnx.load(path)
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (*parts, *model.functions):
        del part.metadata_props[:]
    onnx.save(model, path)


def difference(module: Any, model: Model, *inputs: Any) -> float:
    """The largest difference of any output's value between torch and the file."""
    with torch.no_grad():
        answer = module(*(torch.from_numpy(array) for array in inputs))
    expected = answer if isinstance(answer, tuple) else (answer,)
    pairs = zip(model(*inputs), expected, strict=True)
    return max(float(np.abs(exported - original.numpy()).max()) for exported, original in pairs)
