"""Graphs that are written without the package onnx are what onnx reads, and what onnxruntime runs."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from encoders.export.graph import IR_VERSION, OPSET, RUNTIME, Graph
from encoders.models.session import Port, open_content

X, Y = Port("x", "float32", (None, 3)), Port("y", "float32", (None, 2))


def drawn() -> Graph:
    graph = Graph([X])
    halves = graph.nodes("Split", "x", graph.constant(np.array([1, 2])), outputs=2, axis=1)
    scaled = graph.node("Mul", halves[1], graph.constant(np.array([0.5, -2], np.float32)))
    summed = graph.node("Add", scaled, halves[0])
    graph.output(graph.node("LeakyRelu", summed, alpha=0.25), Y)
    graph.describe({"format": "drawn@1"})
    return graph


def test_onnx_accepts_the_file_and_reads_back_what_was_written(tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)
    assert [node.op_type for node in model.graph.node] == ["Split", "Mul", "Add", "LeakyRelu", "Identity"]
    constants = [numpy_helper.to_array(one) for one in model.graph.initializer]
    assert [0.5, -2] in [one.tolist() for one in constants if one.dtype == np.float32]
    assert {one.key: one.value for one in model.metadata_props} == {"format": "drawn@1"}


def test_every_kind_of_attribute_reads_back() -> None:
    graph = Graph([X])
    graph.output(graph.node("Any", "x", whole=-3, real=0.5, text="reflect", wholes=[1, -2], reals=[0.5, 2.0]), Y)
    [node, _] = onnx.load_from_string(graph.encoded()).graph.node
    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    assert found == {"whole": -3, "real": 0.5, "text": b"reflect", "wholes": [1, -2], "reals": [0.5, 2.0]}


def test_the_graph_computes_what_it_says() -> None:
    model = open_content(Path("drawn"), drawn().encoded(), "cpu", 1, [X], [Y], "draw it again")
    [found] = model(np.array([[1, 2, 3], [0, 4, -1]], np.float32))
    assert found.tolist() == [[2.0, -1.25], [2.0, 2.0]]
    assert model.metadata == {"format": "drawn@1"}


def test_an_operator_of_onnxruntimes_own_names_its_domain_and_may_lack_an_input() -> None:
    graph = Graph([X], opset=20)
    zero, one = (graph.constant(np.full(3, value, np.float32)) for value in (0, 1))
    normed = graph.node("SkipLayerNormalization", "x", "x", one, zero, "", domain=RUNTIME, epsilon=1e-6)
    graph.output(graph.node("Gelu", normed), X._replace(name="y"))
    made = onnx.load_from_string(graph.encoded())
    assert [(one.domain, one.version) for one in made.opset_import] == [("", 20), (RUNTIME, 1)]
    assert [(node.domain, len(node.input)) for node in made.graph.node] == [(RUNTIME, 5), ("", 1), ("", 1)]
    model = open_content(Path("own"), graph.encoded(), "cpu", 1, [X], [X._replace(name="y")], "draw it again")
    [found] = model(np.array([[-1, 0, 1]], np.float32))
    assert np.allclose(found, [[-0.1350, 0, 1.0897]], atol=1e-3)


def test_the_same_graph_gives_the_same_bytes_and_each_constant_is_written_once() -> None:
    assert drawn().encoded() == drawn().encoded()
    graph = Graph([X])
    one, same = (graph.constant(np.float32(6)) for _ in range(2))
    assert one == same and graph.constant(np.array([6], np.float32)) != one
