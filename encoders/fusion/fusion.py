"""What a fusion is, and opening the one that the settings choose."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from encoders.base import Precision, Vectors
from encoders.fusion.attention import ATTENTION, read_attention
from encoders.fusion.projection import Modalities, Way, maps_of
from encoders.fusion.weighted import DEFAULT, EQUAL, Weighted
from encoders.models.manifest import EXPORTER, WEIGHTS, key_of


class Fusion(Protocol):
    """Makes retrieval vectors [N, 256] of norm 1 of modalities; a zero row where everything is missing.

    `version` changes whenever the vectors may: vectors of two versions are not compared. Not a bit of a row
    depends on its batch.
    """

    @property
    def version(self) -> str: ...

    def __call__(self, modalities: Modalities) -> Vectors: ...


def version_of(fusion: str) -> str:
    """Of retrieval vectors that are fused so from the models of this Freshet; two of them never share an index."""
    return f"{key_of(WEIGHTS, EXPORTER)}-{fusion}"


VERSION = version_of("mean")  # unless the settings choose another way of fusing


def load_fusion(folder: Path, way: Way = "mean", learned: Path | None = None, pictures: Precision = "int8") -> Fusion:
    """Open one way of fusing; a ModelError says in a sentence what is missing or damaged.

    folder    of the models
    learned   of the attention's weights, which are made from a log and not with the models
    pictures  the precision of their encoder, which is part of the version
    """
    suffix = "" if pictures == "int8" else f"-{pictures}"
    if way == "attention":
        attention = read_attention((learned or folder) / ATTENTION)
        return replace(attention, version=attention.version + suffix)
    return Weighted(maps_of(folder, way), way + suffix, EQUAL if way == "concat" else DEFAULT)
