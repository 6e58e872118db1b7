"""What a fusion is, and opening the one that the settings choose."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from encoders.base import Vectors
from encoders.fusion.attention import ATTENTION, read_attention
from encoders.fusion.projection import ModalityRows, Way, maps_of
from encoders.fusion.weighted import Weighted
from encoders.modalities.modality import ModalitySet
from encoders.models.manifest import MODELS


class Fusion(Protocol):
    """Makes retrieval vectors [N, 256] of norm 1 of the modalities' rows; a zero row where everything is missing.

    `version` changes whenever the vectors may: vectors of two versions are not compared. Not a bit of a row
    depends on its batch.
    """

    @property
    def version(self) -> str: ...

    def __call__(self, rows: ModalityRows) -> Vectors: ...


def version_of(fusion: str) -> str:
    """Of retrieval vectors that are fused so from the models of this Freshet; two of them never share an index."""
    return f"{MODELS}-{fusion}"


VERSION = version_of("mean")  # unless the settings choose another way of fusing, another precision, other modalities


def load_fusion(modalities: ModalitySet, way: Way = "mean", learned: Path | None = None) -> Fusion:
    """Open one way of fusing these modalities; a ModelError says in a sentence what is missing or damaged.

    learned  folder of the attention's weights, which are learned from a log and do not come with the models
    """
    if way == "attention":
        if learned is None:
            raise ValueError("load_fusion: attention needs the folder of its learned weights.")
        attention = read_attention(learned / ATTENTION)
        return replace(attention, version=attention.version + modalities.suffix)
    weights = {one.name: one.weight for one in modalities} if way == "mean" else {}
    return Weighted(maps_of(modalities, way), way + modalities.suffix, weights, modalities.described)
