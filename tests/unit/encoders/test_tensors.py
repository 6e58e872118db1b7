"""Weights are read without the libraries that wrote them, and a pickle may name nothing but what is expected."""

import json
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.base import ModelError
from encoders.export.tensors import TORCH_MAGIC, read_joblib, read_safetensors, read_torch

NUMBERS = np.arange(12, dtype=np.float32)


def test_safetensors_are_found_by_name_in_their_shape(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]},
        "b": {"dtype": "I64", "shape": [], "data_offsets": [48, 56]},
    }
    told = json.dumps(header).encode()
    (tmp_path / "w").write_bytes(struct.pack("<Q", len(told)) + told + NUMBERS.tobytes() + struct.pack("<q", 7))
    found = read_safetensors(tmp_path / "w")
    assert (found["a"] == NUMBERS.reshape(3, 4)).all() and found["b"] == 7


class Named:
    """Pickles as a call of a name with arguments, whether that name exists here or not."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class Stored(Named):
    """A storage of torch: pickles as a persistent id."""


class TorchPickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes what torch wrote, without torch."""

    def persistent_id(self, one: Any) -> Any:
        return one.arguments if isinstance(one, Stored) else None

    def save(self, one: Any, save_persistent_id: bool = True) -> None:
        if isinstance(one, Named) and not isinstance(one, Stored):
            self.write(b"c" + f"{one.module}\n{one.name}\n".encode())
            if one.arguments:
                super().save(one.arguments)
                self.write(b"R")
            return
        super().save(one, save_persistent_id)


def torch_file(path: Path, state: Any, storages: dict[str, bytes]) -> Path:
    with path.open("wb") as stream:
        for part in (TORCH_MAGIC, 1001, {"little_endian": True}):
            pickle.dump(part, stream, 2)
        TorchPickler(stream, 2).dump(state)
        pickle.dump([*storages], stream, 2)
        for content in storages.values():
            stream.write(content)
    return path


def test_a_state_dict_of_torch_is_read_with_the_strides_of_its_views(tmp_path: Path) -> None:
    kind = Named("torch", "FloatStorage")
    storage = Stored("", "", "storage", kind, "7", "cpu", 12, None)
    tensors = {
        name: Named("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, OrderedDict())
        for name, offset, shape, strides in (("all", 0, (3, 4), (4, 1)), ("turned", 1, (2, 3), (1, 4)))
    }
    path = torch_file(tmp_path / "w.pth", tensors, {"7": struct.pack("<q", 12) + NUMBERS.tobytes()})
    found = read_torch(path)
    assert (found["all"] == NUMBERS.reshape(3, 4)).all()
    assert found["turned"].tolist() == NUMBERS.reshape(3, 4)[:, 1:3].T.tolist()


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (3, 5), (4, 1)),
        (1, (3, 4), (4, 1)),
        (12, (1,), (1,)),
        (-1, (2,), (1,)),
        (4, (2,), (-1,)),
        (0, (-1, -1), (1, 1)),
        (0, (3, 4), (4,)),
    ],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    storage = Stored("", "", "storage", Named("torch", "FloatStorage"), "7", "cpu", 12, None)
    tensor = Named("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, OrderedDict())
    path = torch_file(tmp_path / "w.pth", {"a": tensor}, {"7": struct.pack("<q", 12) + NUMBERS.tobytes()})
    with pytest.raises(ModelError, match="reaches out of its numbers"):
        read_torch(path)


def test_a_state_dict_that_names_something_else_is_refused(tmp_path: Path) -> None:
    path = torch_file(tmp_path / "w.pth", {"a": Named("os", "system", "true")}, {})
    with pytest.raises(ModelError, match=r"name os\.system, which is not read"):
        read_torch(path)
    path.write_bytes(pickle.dumps(1) * 3)
    with pytest.raises(ModelError, match="not a file of torch's old form"):
        read_torch(path)


class Model:
    """Stands for a class of scikit-learn."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


class Runs:
    """Would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_what_a_pickle_names_is_a_record_and_nothing_runs(tmp_path: Path) -> None:
    path = tmp_path / "m.joblib"
    path.write_bytes(pickle.dumps(Model(rate=np.float64(0.5), inner=[Model(b=2)], act=Runs(tmp_path / "made"))))
    found = read_joblib(path)
    assert found.rate == 0.5 and found.inner[0].b == 2
    assert not (tmp_path / "made").exists()
    with pytest.raises(ModelError, match="lack the field absent"):
        _ = found.absent
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(ModelError, match="holds a list and no model"):
        read_joblib(path)
