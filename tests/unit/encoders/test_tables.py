"""Tables that rows are looked up in stay in the model's file, and nothing that is computed changes."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from encoders.export.graph import Graph
from encoders.models.manifest import Manifest, describe, write
from encoders.models.session import Port, open_content, open_model
from encoders.models.tables import LEAST, without_tables

DIM = 400
V = LEAST // (4 * DIM) + 1
IDS, ROWS = Port("ids", "int64", (None,)), Port("rows", "float32", (None, DIM))
TABLE = np.random.default_rng(0).standard_normal((V, DIM)).astype(np.float32)


def drawn(table: np.ndarray = TABLE, *, is_added: bool = False) -> Graph:
    """Rows of a table, each number times 2; perhaps with the whole table's sum."""
    graph = Graph([IDS])
    name = graph.constant(table)
    rows = graph.node("Mul", graph.node("Gather", name, "ids"), graph.constant(np.float32(2)))
    if is_added:
        rows = graph.node("Add", rows, graph.node("ReduceSum", name, graph.constant(np.array([0])), keepdims=0))
    graph.output(rows, ROWS)
    return graph


def written(folder: Path, graph: Graph) -> Path:
    path = folder / "looked-up.onnx"
    graph.save(path)
    write(folder, Manifest({}, "test", (describe(path, source="a test", licence="Apache-2.0"),)))
    return path


def test_the_model_says_where_in_its_file_the_table_lies(tmp_path: Path) -> None:
    path = written(tmp_path, drawn())
    content = path.read_bytes()
    [table] = [one for one in onnx.load_from_string(without_tables(content, path)).graph.initializer if one.dims]
    told = {one.key: one.value for one in table.external_data}
    at, length = int(told["offset"]), int(told["length"])
    assert (table.data_location, table.raw_data, told["location"]) == (onnx.TensorProto.EXTERNAL, b"", path.name)
    assert content[at : at + length] == TABLE.tobytes() and list(table.dims) == [V, DIM]


@pytest.mark.parametrize("by", ["its name", "a link"])
def test_rows_are_the_same_as_long_as_the_process_lives(tmp_path: Path, by: str) -> None:
    path, ids = written(tmp_path, drawn()), np.array([0, V - 1, 7, 7])
    if by == "a link":
        (real := tmp_path / "elsewhere").mkdir()
        path.rename(real / "real.onnx")
        path.symlink_to(real / "real.onnx")
    mapped = open_model(path, provider="cpu", inputs=[IDS], outputs=[ROWS])
    path.resolve().unlink()
    assert (mapped(ids)[0] == 2 * TABLE[ids]).all()


@pytest.mark.parametrize(
    "graph", [drawn(is_added=True), drawn(TABLE[: V // 2])], ids=["read whole", "too small to be worth it"]
)
def test_what_is_no_large_table_stays_in_the_model(graph: Graph) -> None:
    assert without_tables(graph.encoded(), Path("a.onnx")) == graph.encoded()
    model = open_content(Path("a.onnx"), graph.encoded(), "cpu", 1, [IDS], [ROWS], "draw it again")
    assert model(np.array([3]))[0].any()


@pytest.mark.parametrize("content", [b"", b"no model\nat all", b"\x3a"])
def test_what_is_no_model_stays_as_it_is(content: bytes) -> None:
    assert without_tables(content, Path("a.onnx")) == content
