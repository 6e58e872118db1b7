"""What a model file must pass before it is published: it opens as in service, and answers as its original does."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from encoders.base import ModelError, Vectors
from encoders.models import manifest
from encoders.models.manifest import EXPORTER, WEIGHTS, Manifest, ModelFile

MAX_DIFFERENCE = 1e-4  # of any output's value between torch and ONNX; seen: 1.1e-5

Report = Callable[[str], None]
Parity = Mapping[str, float]


def accepted(
    name: str, largest: float, report: Report, *, original: str = "torch", most: float = MAX_DIFFERENCE
) -> Parity:
    """The manifest's entry on a model's parity; a ModelError where it differs from its original by too much."""
    report(f"export: {name}, largest difference to {original} {largest:.1e}")
    if not largest <= most:  # also where it is NaN
        raise ModelError(f"{name} differs from {original} by {largest:.1e}, more than {most}: change encoders/export.")
    return {f"{original}_max_abs": largest}


def kept(rows: Vectors, matrix: Vectors) -> Parity:
    """The manifest's entry on directions: the share of the rows' squared length that they keep."""
    return {"kept_share": float(np.square(rows @ matrix).sum() / np.square(rows).sum())}


def write_draft(folder: Path, made: Sequence[ModelFile]) -> None:
    """Write the manifest of a folder under construction, so that its files can be opened and checked as in service."""
    manifest.write(folder, Manifest(WEIGHTS, EXPORTER, tuple(sorted(made, key=lambda file: file.name))))
