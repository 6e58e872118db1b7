"""The names of the classifiers' outputs, read from the model folder."""

import json
from pathlib import Path

from encoders.base import ModelError
from encoders.models.manifest import REMEDY, checked_bytes

LABELS = "labels.json"


def labels_of(folder: Path, modality: str, count: int) -> tuple[str, ...]:
    """The names of a classifier's outputs in their order; a ModelError where there are not `count` of them."""
    path = folder / LABELS
    names = json.loads(checked_bytes(path)).get(modality, [])
    if len(names) != count:
        raise ModelError(f"{path} has {len(names)} {modality} labels instead of {count}: {REMEDY}.")
    return tuple(names)
