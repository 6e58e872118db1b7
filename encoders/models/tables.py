"""Leaves the tables of a model that rows are looked up in where they are, in its file: the system maps them from there.

Of a vocabulary's table the rows of the pieces that texts have are read, a few thousand of 250,000, and what was read
belongs to the file: the system may drop it, and processes share it.
"""

from collections import defaultdict
from pathlib import Path

from encoders.models.protobuf import bytes_field, fields, number_field, text_field

LEAST = 1_000_000  # bytes of a table that is worth it
# Numbers of the fields of onnx.proto (github.com/onnx/onnx), by message.
GRAPH = 7
NODE, INITIALIZER = 1, 5
INPUT, KIND = 1, 4
NAME, RAW, WHERE, OUTSIDE = 8, 9, 13, 14


def without_tables(content: bytes, file: Path) -> bytes:
    """The model less its tables' numbers, which it says to lie in `file`, whose content it is.

    A table is an input of `Gather` alone, as its first: other operators would read it whole, and want it aligned.
    What is no model stays as it is, and who opens it says so.
    """
    try:
        return b"".join(
            _field(content, number, value)
            if number != GRAPH or isinstance(value, int)
            else bytes_field(GRAPH, _graph(content, value, file))
            for number, value in fields(content)
        )
    except (ValueError, IndexError, KeyError):
        return content


def _graph(content: bytes, graph: slice, file: Path) -> bytes:
    inside = list(fields(content, graph))
    tables = _looked_up([_node(content, value) for number, value in inside if number == NODE])
    return b"".join(
        bytes_field(INITIALIZER, _outside(content, value, file))
        if number == INITIALIZER and isinstance(value, slice) and _is_table(content, value, tables)
        else _field(content, number, value)
        for number, value in inside
    )


def _node(content: bytes, node: int | slice) -> tuple[str, list[str]]:
    """Its operator and its inputs."""
    kind, inputs = "", list[str]()
    for number, value in fields(content, _bytes(node)):
        if number == KIND:
            kind = _text(content, value)
        elif number == INPUT:
            inputs.append(_text(content, value))
    return kind, inputs


def _looked_up(nodes: list[tuple[str, list[str]]]) -> set[str]:
    """The names of what nothing but `Gather` takes, and as its first input."""
    uses = defaultdict[str, set[str]](set)
    for kind, inputs in nodes:
        for place, name in enumerate(inputs):
            uses[name].add(kind if place == 0 else "")
    return {name for name, kinds in uses.items() if kinds == {"Gather"}}


def _is_table(content: bytes, tensor: slice, tables: set[str]) -> bool:
    found = dict(fields(content, tensor))
    raw = found.get(RAW)
    return isinstance(raw, slice) and raw.stop - raw.start >= LEAST and _text(content, found[NAME]) in tables


def _outside(content: bytes, tensor: slice, file: Path) -> bytes:
    """A tensor whose numbers lie in a file: where is said by texts."""
    told = []
    for number, value in fields(content, tensor):
        if number != RAW:
            told.append(_field(content, number, value))
            continue
        raw = _bytes(value)
        places = {"location": file.name, "offset": str(raw.start), "length": str(raw.stop - raw.start)}
        told += [bytes_field(WHERE, text_field(1, key) + text_field(2, one)) for key, one in places.items()]
    return b"".join([*told, number_field(OUTSIDE, 1)])


def _field(content: bytes, number: int, value: int | slice) -> bytes:
    return number_field(number, value) if isinstance(value, int) else bytes_field(number, content[value])


def _text(content: bytes, value: int | slice) -> str:
    return content[_bytes(value)].decode("utf-8")


def _bytes(value: int | slice) -> slice:
    if isinstance(value, int):
        raise ValueError(value)
    return value
