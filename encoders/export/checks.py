"""What a model file must pass before it is published: it opens as in service, and answers as its original does.

The originals (torch, scikit-learn) are not there where models are usually made, so what they answered to fixed inputs
stands in `answers.npz`. `freshet export --from-source` asks them again, and a test compares.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError, Vectors
from encoders.models import manifest
from encoders.models.manifest import EXPORTER, REMEDY, WEIGHTS, Manifest, ModelFile, describe
from encoders.models.session import Port, open_content

MAX_DIFFERENCE = 1e-5  # of any output's value to the original's; seen: 7.6e-6
LEAST_COSINE = 0.998  # of vectors by weights of 4 bits to numpy's; sums in int8 cost up to 0.001
ANSWERS = Path(__file__).with_name("answers.npz")

Report = Callable[[str], None]
Parity = Mapping[str, float]
Calls = Sequence[tuple[NDArray[Any], ...]]
Answers = dict[str, NDArray[Any]]


@cache
def recorded() -> Answers:
    """What the originals answered, by file, call and output."""
    with np.load(ANSWERS, allow_pickle=False) as found:
        return dict(found)


def asked(path: Path, inputs: Sequence[Port], outputs: Sequence[Port], calls: Calls) -> Answers:
    """What a model file answers to the calls, opened as in service."""
    model = open_content(path, path.read_bytes(), "cpu", 1, inputs, outputs, REMEDY)
    return named(path.name, outputs, [model(*arrays) for arrays in calls])


def named(file: str, outputs: Sequence[Port], answers: Sequence[Sequence[NDArray[Any]]]) -> Answers:
    """Answers under the names that they have in `answers.npz`."""
    return {
        f"{file} {number} {port.name}": array
        for number, arrays in enumerate(answers)
        for port, array in zip(outputs, arrays, strict=True)
    }


def nearness(
    path: Path,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    calls: Calls,
    report: Report,
) -> Parity:
    """How far a model file is from what torch answered; a ModelError where it is too far, or was never asked."""
    return accepted(path.name, difference(asked(path, inputs, outputs, calls), recorded()), report)


def difference(answers: Answers, expected: Answers) -> float:
    """The largest difference of any value; a ModelError where something was never asked."""
    lacking = sorted(answers.keys() - expected.keys())
    if lacking:
        raise ModelError(f"{ANSWERS} lacks {lacking[0]}: make it with `freshet export --from-source`.")
    return max(float(np.abs(array - expected[name]).max()) for name, array in answers.items())


def accepted(
    name: str, largest: float, report: Report, *, original: str = "torch", most: float = MAX_DIFFERENCE
) -> Parity:
    """The manifest's entry on a model's parity; a ModelError where it differs from its original by too much."""
    report(f"export: {name}, largest difference to {original} {largest:.1e}")
    if not largest <= most:  # also where it is NaN
        raise ModelError(f"{name} differs from {original} by {largest:.1e}, more than {most}: change encoders/export.")
    return {f"{original}_max_abs": largest}


def aligned(name: str, vectors: Vectors, report: Report, *, least: float) -> Parity:
    """The manifest's entry on the least cosine of unit vectors [N, D] to their original's; a ModelError if too small.

    name  of the file, the call and the output, as in `answers.npz`
    """
    cosine = 1 - float(np.square(vectors - recorded()[name]).sum(axis=1).max()) / 2  # less where a length is not 1
    report(f"export: {name}, least cosine to torch {cosine:.4f}")
    if not cosine >= least:  # also where it is NaN
        raise ModelError(f"{name} has the cosine {cosine:.4f} to torch's, less than {least}: change encoders/export.")
    return {"torch_cosine_min": cosine}


def like_numpy(name: str, vectors: Vectors, expected: Vectors, report: Report) -> Parity:
    """The manifest's entry on the least cosine of unit vectors [N, D] to numpy's by the same weights in float32."""
    cosine = float((vectors * expected).sum(axis=1).min())
    report(f"export: {name}, smallest cosine to numpy {cosine:.5f}")
    if not cosine >= LEAST_COSINE:  # also where it is NaN
        raise ModelError(f"{name} differs from numpy, cosine {cosine:.5f}, not {LEAST_COSINE}: change encoders/export.")
    return {"numpy_cosine_min": cosine}


def kept(rows: Vectors, matrix: Vectors) -> Parity:
    """The manifest's entry on directions: the share of the rows' squared length that they keep."""
    return {"kept_share": float(np.square(rows @ matrix).sum() / np.square(rows).sum())}


def write_draft(
    folder: Path, made: Sequence[ModelFile], weights: Mapping[str, str] = WEIGHTS, exporter: str = EXPORTER
) -> None:
    """Write the manifest of a folder under construction, so that its files can be opened and checked as in service."""
    manifest.write(folder, Manifest(weights, exporter, tuple(sorted(made, key=lambda file: file.name))))


def copied(
    origin: Path,
    path: Path,
    report: Report,
    weights: Mapping[str, str] = WEIGHTS,
    exporter: str = EXPORTER,
    **facts: Any,
) -> list[ModelFile]:
    """Copy a file that is right as it is into a folder under construction, with its draft; returns its entry.

    facts  what `describe` is told of it
    """
    report(f"export: {path.name}, copied")
    shutil.copyfile(origin, path)
    made = [describe(path, **facts)]
    write_draft(path.parent, made, weights, exporter)
    return made
