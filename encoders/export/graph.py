"""Writes ONNX graphs node by node, without the package onnx: the file format is a small protocol buffer.

The numbers of the fields are those of onnx.proto (github.com/onnx/onnx). A test reads what is written by onnx itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.models.protobuf import bytes_field, float_field, number_field, text_field
from encoders.models.session import Port

OPSET = 18
RUNTIME = "com.microsoft"  # the domain of onnxruntime's own operators, such as MatMulNBits
IR_VERSION = 9  # of the file format; onnxruntime reads it since 1.17
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}

Array = NDArray[np.generic]
Attribute = int | float | str | Sequence[int] | Sequence[float]


class Graph:
    """A graph under construction: `constant` and `node` return the name of the value that they add.

    >>> graph = Graph([Port("x", "float32", (None, 2))])
    >>> graph.output(graph.node("Mul", "x", graph.constant(np.float32(2))), Port("y", "float32", (None, 2)))
    >>> len(graph.encoded())
    149
    """

    def __init__(self, inputs: Sequence[Port], *, opset: int = OPSET) -> None:
        self._inputs, self._opset = inputs, opset
        self._outputs: list[Port] = []
        self._nodes: list[bytes] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._tensors: list[bytes] = []
        self._metadata: dict[str, str] = {}
        self._domains: set[str] = set()

    def constant(self, value: Array | np.generic) -> str:
        """A value that is part of the file; the same value is written once."""
        array = np.asarray(value, order="C")
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        key = (array.dtype.name, array.shape, raw)
        if key not in self._constants:
            self._constants[key] = f"c{len(self._tensors)}"
            self._tensors.append(_tensor(self._constants[key], array, raw))
        return self._constants[key]

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Attribute) -> str:
        """Add an operator of ONNX, or of another domain, with one output; an input that is left out is empty."""
        return self.nodes(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: Attribute) -> list[str]:
        """Add an operator with so many outputs."""
        own = f"n{len(self._nodes)}_{kind}"
        values = [own] if outputs == 1 else [f"{own}.{place}" for place in range(outputs)]
        fields = [text_field(1, one) for one in inputs] + [text_field(2, one) for one in values]
        fields += [text_field(3, own), text_field(4, kind)]
        fields += [bytes_field(5, _attribute(*one)) for one in attributes.items()]
        if domain:
            self._domains.add(domain)
            fields.append(text_field(7, domain))
        self._nodes.append(b"".join(fields))
        return values

    def output(self, value: str, port: Port) -> None:
        """Make a value an output of the graph, under the name of the port."""
        texts = (value, port.name, f"{port.name}_out", "Identity")
        self._nodes.append(b"".join(text_field(number, one) for number, one in enumerate(texts, 1)))
        self._outputs.append(port)

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Put texts beside the graph, which `Model.metadata` reads."""
        self._metadata |= metadata

    def encoded(self) -> bytes:
        """The file's bytes; the same graph gives the same bytes."""
        graph = [bytes_field(1, node) for node in self._nodes] + [text_field(2, "freshet")]
        graph += [bytes_field(5, tensor) for tensor in self._tensors]
        ports = [(11, port) for port in self._inputs] + [(12, port) for port in self._outputs]
        graph += [bytes_field(field, _port(port)) for field, port in ports]
        texts = [bytes_field(14, text_field(1, key) + text_field(2, value)) for key, value in self._metadata.items()]
        opsets = [bytes_field(8, number_field(2, self._opset))]
        opsets += [bytes_field(8, text_field(1, domain) + number_field(2, 1)) for domain in sorted(self._domains)]
        return b"".join(
            [number_field(1, IR_VERSION), text_field(2, "freshet"), bytes_field(7, b"".join(graph)), *opsets, *texts]
        )

    def save(self, path: Path) -> None:
        path.write_bytes(self.encoded())


def unit(graph: Graph, rows: str) -> str:
    """Rows [N, D] scaled to norm 1."""
    norms = graph.node("ReduceL2", rows, graph.constant(np.array([-1])), keepdims=1)
    return graph.node("Div", rows, graph.node("Clip", norms, graph.constant(np.float32(1e-12))))


def _tensor(name: str, array: Array, raw: bytes) -> bytes:
    dims = b"".join(number_field(1, length) for length in array.shape)
    return dims + number_field(2, TYPES[array.dtype.name]) + text_field(8, name) + bytes_field(9, raw)


def _attribute(name: str, value: Attribute) -> bytes:
    match value:
        case bool() | int():
            told, kind = number_field(3, int(value)), 2
        case float():
            told, kind = float_field(2, value), 1
        case str():
            told, kind = text_field(4, value), 3
        case [float(), *_]:
            told, kind = b"".join(float_field(7, float(one)) for one in value), 6
        case _:
            told, kind = b"".join(number_field(8, int(one)) for one in value), 7
    return text_field(1, name) + told + number_field(20, kind)


def _port(port: Port) -> bytes:
    """A ValueInfoProto: name, type, and the lengths of the axes, which have names where they are free."""
    axes = [
        text_field(2, f"{port.name}_{axis}") if length is None else number_field(1, length)
        for axis, length in enumerate(port.shape)
    ]
    shape = b"".join(bytes_field(1, axis) for axis in axes)
    return text_field(1, port.name) + bytes_field(
        2, bytes_field(1, number_field(1, TYPES[port.dtype]) + bytes_field(2, shape))
    )
