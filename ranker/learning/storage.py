"""The learned parameters as a file: arrays and keys, and a version that names the content."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from ranker.learning.columns import grown
from ranker.learning.features import NAMES
from ranker.learning.fields import FIELD_NAMES
from ranker.learning.parameters import GROWTH, NOBODY, Learned, Parameters

FORMAT = 2  # raised when old files stop being readable
SHAPE = repr((FORMAT, FIELD_NAMES, NAMES))  # of what is learned: parameters of another one are of no use
ARRAYS = ("effect", "variance", "counts", "met", "recent")
ZIP = b"PK"  # how an .npz file begins
WHOLE = ("totals", "weights", "covariance")


class ParametersError(ValueError):
    """A file that holds no parameters for these features."""


def dump(parameters: Parameters) -> bytes:
    """All parameters; the same ones give the same bytes."""
    used = len(parameters.keys)
    arrays = {name: getattr(parameters, name)[:used] for name in ARRAYS}
    arrays |= {name: getattr(parameters, name) for name in WHOLE}
    fields = np.array([field for field, _ in parameters.keys], np.int16)
    keys = msgspec.msgpack.encode([key for _, key in parameters.keys])
    out = BytesIO()
    np.savez(
        out, field=fields, key=np.frombuffer(keys, np.uint8),
        shape=np.array(SHAPE), tick=np.array(parameters.tick), days=np.array(parameters.days, np.int64), **arrays,
    )  # fmt: skip
    return out.getvalue()


def load(data: bytes) -> Parameters:
    """Read parameters back; ParametersError for what is damaged, or was learned with other features."""
    if not data.startswith(ZIP):  # numpy would advise to unpickle it
        raise ParametersError(f"{len(data)} bytes hold no parameters: they are no .npz file")
    try:
        with np.load(BytesIO(data), allow_pickle=False) as found:
            return _parameters({name: found[name] for name in found.files})
    except (ValueError, KeyError, OSError, BadZipFile, EOFError) as error:
        raise ParametersError(f"{len(data)} bytes hold no parameters for this release: {error}") from error


def version_of(data: bytes) -> str:
    """Names parameters by their content."""
    return sha256(data).hexdigest()[:8]


def read(path: str) -> Learned:
    """The parameters of the file that the settings name; empty: nothing is learned. OSError where it is not there."""
    if not path:
        return Learned(Parameters())
    data = Path(path).read_bytes()
    parameters = load(data)
    parameters.version = version_of(data)
    return Learned(parameters)


def _parameters(arrays: dict[str, NDArray[Any]]) -> Parameters:
    if str(arrays["shape"]) != SHAPE:
        raise ValueError("they were learned with other features")
    texts = msgspec.msgpack.decode(arrays["key"].tobytes(), type=list[str])
    made = Parameters()
    named = [*zip(arrays["field"].tolist(), texts, strict=True)]
    made.keys = [NOBODY] * len(named)
    for row, key in enumerate(named[1:], 1):
        made.name(row, key)
    made.free = [row for row in reversed(range(1, len(named))) if named[row] == NOBODY]
    made.tick, made.days = int(arrays["tick"]), arrays["days"].tolist()
    for name in ARRAYS:
        column = getattr(made, name)
        if len(made.keys) != len(arrays[name]) or arrays[name].shape[1:] != column.shape[1:]:
            raise ValueError(f"{name} has another shape")
        setattr(made, name, grown(arrays[name], len(arrays[name]) + GROWTH))
    for name in WHOLE:
        if arrays[name].shape != getattr(made, name).shape:
            raise ValueError(f"{name} has another shape")
        setattr(made, name, arrays[name])
    return made
