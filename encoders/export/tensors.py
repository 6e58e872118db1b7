"""Reads pretrained weights without the libraries that wrote them: safetensors, and torch's and joblib's pickles.

Unpickling runs what a file names, so each reader lets a file name only what is listed here, and everything else becomes
a record of its fields. The files are also pinned by their sha256 (`manifest.WEIGHTS`).
"""

import json
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError, Vectors

TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # of files that torch wrote before 1.6, which are pickles and not archives
TORCH_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
NUMPY = {"dtype", "float64", "ndarray", "scalar"}  # the only names of numpy's that are not inert

Array = NDArray[Any]


def read_safetensors(path: Path) -> dict[str, Vectors]:
    """Every tensor by its name: eight bytes of length, a JSON header of types, shapes and places, then the numbers."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    return {name: _view(content, 8 + length, told) for name, told in header.items()}


def _view(content: bytes, numbers: int, told: Mapping[str, Any]) -> Vectors:
    start, end = (numbers + place for place in told["data_offsets"])
    return np.frombuffer(content[start:end], DTYPES[told["dtype"]]).reshape(told["shape"])


def read_torch(path: Path) -> dict[str, Array]:
    """The tensors of a state_dict that torch saved before version 1.6: five pickles, then the storages."""
    storages: dict[str, tuple[str, list[Array]]] = {}
    with path.open("rb") as stream:
        magic, _, _ = (_Torch(stream, storages).load() for _ in range(3))
        if magic != TORCH_MAGIC:
            raise ModelError(f"{path} is not a file of torch's old form: fetch the weights again.")
        made = _Torch(stream, storages).load()
        for key in _Torch(stream, storages).load():
            kind, found = storages[key]
            (count,) = struct.unpack("<q", stream.read(8))
            found.append(np.frombuffer(stream.read(count * np.dtype(kind).itemsize), kind))
    return {name: tensor() for name, tensor in made.items()}


class _Torch(pickle.Unpickler):
    """Makes of each tensor a function that cuts it out of its storage, which follows later in the file."""

    def __init__(self, stream: BinaryIO, storages: dict[str, tuple[str, list[Array]]]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda storage, offset, shape, strides, *_: partial(_cut, storage, offset, shape, strides)
            case "torch", name if name in TORCH_TYPES:
                return TORCH_TYPES[name]
        raise ModelError(f"the weights name {module}.{name}, which is not read: fetch them again.")

    def persistent_load(self, pid: Any) -> list[Array]:
        _, kind, key, *_ = pid
        return self._storages.setdefault(key, (kind, []))[1]


def _cut(storage: list[Array], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    reach = sum((count - 1) * step for count, step in zip(shape, strides, strict=False))
    inside = len(shape) == len(strides) and min([offset, *shape, *strides]) >= 0 and offset + reach < storage[0].size
    if not inside and math.prod(shape) != 0:
        raise ModelError("the weights hold a tensor that reaches out of its numbers: fetch them again.")
    numbers = storage[0][offset:]
    return np.lib.stride_tricks.as_strided(numbers, shape, [step * numbers.itemsize for step in strides])


class Record:
    """What a pickle says of an object whose class is not loaded: its fields."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update({name: _value(value) for name, value in fields.items()})

    def __getattr__(self, name: str) -> Any:  # for the type checker, and a clear word where a field is missing
        raise ModelError(f"the weights lack the field {name}: fetch them again.")


def read_joblib(path: Path) -> Record:
    """The object of a file that joblib wrote uncompressed, as a `Record` of records, numbers and arrays."""
    with path.open("rb", buffering=0) as stream:  # unbuffered, since each array's numbers follow its description
        found = _Joblib(stream).load()
    if not isinstance(found, Record):
        raise ModelError(f"{path} holds a {type(found).__name__} and no model: fetch the weights again.")
    return found


class _Joblib(pickle.Unpickler):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._read = stream.read

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "numpy" and name in NUMPY:
            return super().find_class(module, name)
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return type("Stored", (_Stored,), {"read": staticmethod(self._read)})
        return Record


class _Stored:
    """An array whose numbers stand in the file behind its description, after some bytes that align them."""

    read: Callable[[int], bytes]
    array: Array

    def __setstate__(self, told: Mapping[str, Any]) -> None:
        (padding,) = self.read(1)
        self.read(padding)
        if told["dtype"].hasobject or told["order"] != "C":
            raise ModelError("the weights hold an array of objects, which is not read: fetch them again.")
        numbers = self.read(int(np.prod(told["shape"])) * told["dtype"].itemsize)
        self.array = np.frombuffer(numbers, told["dtype"]).reshape(told["shape"])


def _value(value: Any) -> Any:
    if isinstance(value, _Stored):
        return value.array
    if isinstance(value, list):
        return [_value(one) for one in value]
    return value
