"""Opens model files after checking them; the only importer of onnxruntime.

onnxruntime is imported when the first model is opened: the ranking agent reads how modalities are described and opens
no model, and does without its 20 MB.
"""

import ctypes
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError
from encoders.models.manifest import checked_bytes, remedy_of
from encoders.models.tables import without_tables

Provider = Literal["auto", "cpu", "cuda"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# Cards would round what they multiply to 11 bits (TF32): embeddings would be 1,000 times further from a CPU's. And they
# would try all ways of a convolution anew at each length of a text.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
GPU_REMEDY = "install Freshet with its extra gpu on a machine with an NVIDIA driver, or set provider to cpu"


class Port(NamedTuple):
    """One input or output of a model: name, numpy type and shape, None for an axis of any length.

    trial  shape of an input in the first run, where a model does not run with its free axes 1 long
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    trial: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Model:
    """A checked model: call it with arrays in the order of its inputs.

    provider  where it really runs, "cpu" or "cuda"
    """

    path: Path
    provider: str
    _session: Any
    _inputs: tuple[str, ...]
    _outputs: tuple[str, ...]

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says beside its graph."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        feeds = dict(zip(self._inputs, arrays, strict=True))
        answer: list[NDArray[Any]] = self._session.run(list(self._outputs), feeds)
        return answer


def open_model(
    path: Path,
    *,
    provider: Provider = "auto",
    threads: int = 1,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
) -> Model:
    """Open a model file after checking its hash, its inputs and outputs, and where it will run.

    provider  "cuda" refuses to fall back; "auto" takes CUDA if a first run succeeds there, otherwise the CPU
    threads   of one call; with 1 the result's bits do not depend on the number of cores
    """
    file = path.resolve()  # onnxruntime maps no file that lies beside the folder that it was told
    content = without_tables(checked_bytes(path), file)
    return open_content(path, content, provider, threads, inputs, outputs, remedy_of(path.parent), file.parent)


def open_content(
    path: Path,
    content: bytes,
    provider: Provider,
    threads: int,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    remedy: str,
    tables: Path | None = None,
) -> Model:
    """The same of a file that no manifest lists.

    remedy  says how to make another one
    tables  folder of the file that holds what the content lacks
    """
    ports = (tuple(port.name for port in inputs), tuple(port.name for port in outputs))
    for name in _wanted(path, provider):
        session = _session(path, content, name, threads, remedy, tables)
        _check_ports(path, "input", session.get_inputs(), inputs, remedy)
        _check_ports(path, "output", session.get_outputs(), outputs, remedy)
        model = Model(path, "cuda" if name == CUDA else "cpu", session, *ports)
        failure = _first_run(model, name, inputs)
        if failure is None:
            return model
        if (provider, name) != ("auto", CUDA):
            raise ModelError(f"{path} does not run on {model.provider} ({failure}): {_remedy(name, remedy)}.")
    raise ModelError(f"{path} runs on no provider: {remedy}.")


def quantise_nodes(
    source: Path, target: Path, nodes: Sequence[str], examples: Iterable[Mapping[str, NDArray[Any]]]
) -> None:
    """Write a version whose given nodes are int8, with scales calibrated on these inputs.

    Only the export by way of torch calls it, since it needs the package onnx.

    Weights have 7 bits: without VNNI, processors add two products of 8 bits in 16, which overflows.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        given = iter(examples)

        def get_next(self) -> Mapping[str, NDArray[Any]] | None:
            return next(self.given, None)

    quantize_static(
        source,
        target,
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        nodes_to_quantize=list(nodes),
    )


def runtime_version() -> str:
    """The version of what runs the models."""
    return str(_onnxruntime().__version__)


def _onnxruntime() -> Any:
    import onnxruntime

    return onnxruntime


def _wanted(path: Path, provider: Provider) -> tuple[str, ...]:
    if provider == "cpu":
        return (CPU,)
    if (lack := lack_of_cuda()) is None:
        _onnxruntime().preload_dlls()  # finds the CUDA libraries that pip installed
        return (CUDA,) if provider == "cuda" else (CUDA, CPU)
    if provider == "cuda":
        raise ModelError(f"{path} cannot run on cuda, {lack}: {GPU_REMEDY}.")
    return (CPU,)


def lack_of_cuda() -> str | None:
    """Why CUDA need not be tried, so that a machine without a GPU logs no errors; None does not prove that it works."""
    if CUDA not in _onnxruntime().get_available_providers():
        return "this onnxruntime is built without it"
    try:
        ctypes.CDLL("libcuda.so.1" if sys.platform == "linux" else "nvcuda.dll")
    except OSError:
        return "this machine has no NVIDIA driver"
    return None


def _session(path: Path, content: bytes, name: str, threads: int, remedy: str, tables: Path | None) -> Any:
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False  # it keeps what the largest call took: 100 MB of 32 texts; no call is slower
    if tables is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(tables))
    if threads > 1:  # idle threads would otherwise spin, and take CPU from the other agents
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(content, options, providers=[(name, CUDA_OPTIONS if name == CUDA else {})])
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise ModelError(f"{path} cannot be opened ({_first_line(error)}): {remedy}.") from error
    session.disable_fallback()  # a failing CUDA call would otherwise be repeated on the CPU without a notice
    session._model_bytes = None  # kept for that fallback alone: 90 MB of the text model
    return session


def _check_ports(path: Path, kind: str, found: Sequence[Any], wanted: Sequence[Port], remedy: str) -> None:
    has = {node.name: (_dtype(node.type), tuple(_axis(axis) for axis in node.shape)) for node in found}
    needs = {port.name: (port.dtype, tuple(port.shape)) for port in wanted}
    if has != needs:
        raise ModelError(f"{path} has the {kind}s {_listed(has)} instead of {_listed(needs)}: {remedy}.")


def _dtype(declared: str) -> str:
    """
    >>> _dtype("tensor(float)"), _dtype("tensor(int64)")
    ('float32', 'int64')
    """
    inner = declared.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)


def _axis(axis: object) -> int | None:
    return axis if isinstance(axis, int) else None


def _listed(ports: dict[str, tuple[str, tuple[int | None, ...]]]) -> str:
    shapes = (f"{name} {dtype}{[axis or '?' for axis in shape]}" for name, (dtype, shape) in ports.items())
    return ", ".join(shapes).replace("'", "")


def _first_run(model: Model, asked: str, inputs: Sequence[Port]) -> str | None:
    """Run once on ones; None if it ran on the wanted provider, else why not."""
    obtained = model._session.get_providers()
    if asked not in obtained:
        return f"onnxruntime fell back to {', '.join(obtained)}"
    try:
        model(*(np.ones(port.trial or [axis or 1 for axis in port.shape], port.dtype) for port in inputs))
    except Exception as error:  # as above
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _remedy(name: str, usual: str) -> str:
    return GPU_REMEDY if name == CUDA else usual
