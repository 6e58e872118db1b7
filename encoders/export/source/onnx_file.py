"""Torch to an ONNX file, and how far the two differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch

from encoders.export.checks import Answers, Calls, Parity, Report, accepted, asked, difference, named
from encoders.export.graph import OPSET
from encoders.models.session import Port

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


def with_answers(
    module: Any,
    path: Path,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    calls: Calls,
    report: Report,
    answers: Answers,
) -> Parity:
    """How far a file is from the torch module that it was made of; adds what the module answers to `answers`."""
    told = named(path.name, outputs, [answered(module, *arrays) for arrays in calls])
    answers |= told
    return accepted(path.name, difference(asked(path, inputs, outputs, calls), told), report)


def answered(module: Any, *inputs: Any) -> tuple[Any, ...]:
    """What a torch module answers to arrays, as arrays."""
    with torch.no_grad():
        answer = module(*(torch.from_numpy(array) for array in inputs))
    return tuple(one.numpy() for one in (answer if isinstance(answer, tuple) else (answer,)))
