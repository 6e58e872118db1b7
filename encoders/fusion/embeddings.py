"""Vectors as features.v1 stores them: by name, with the encoder that made them, fused as the settings say."""

import numpy as np
from msgspec.structs import replace

from encoders.base import Precision, Vectors
from encoders.fusion.fusion import Fusion, load_fusion, version_of
from encoders.fusion.projection import RETRIEVAL_DIM
from encoders.models.manifest import EXPORTER, WEIGHTS, folder_of, key_of
from schemas.messages.videos import Encoded, Vector
from schemas.settings.model import Settings

RETRIEVAL = "retrieval"  # name of the vector that the index holds
DIM = RETRIEVAL_DIM
MODALITIES = {"text": 384, "image": 1280, "audio": 200}  # dimensions of their encoders' vectors
MODELS = key_of(WEIGHTS, EXPORTER)  # what every encoder's version ends with


def fusion_of(settings: Settings) -> Fusion:
    """The way of fusing that the settings choose; learned weights lie in the data folder."""
    folder, learned = folder_of(settings.cache_dir), settings.data_dir / "fusion"
    return load_fusion(folder, settings.fusion, learned, settings.image_precision)


def with_fusion_version(video: Encoded, fusion: Fusion, pictures: Precision) -> Encoded:
    """The video with a retrieval vector of this fusion, made of its modalities' vectors where it has another one.

    So a new way of fusing needs no new look at the videos. What other models made is left as it is.
    """
    version, now = version_of(fusion.version), video.vectors.get(RETRIEVAL)
    if now is not None and now.encoder == version:
        return video
    parts = {name: vector for name, vector in video.vectors.items() if is_from_current_model(name, vector, pictures)}
    rows = {name: np.frombuffer(parts[name].data, "<f4")[None, :] for name in MODALITIES if name in parts}
    made = packed(version, fusion(rows)[0]) if rows else None
    return video if made is None else replace(video, vectors={**video.vectors, RETRIEVAL: made})


def is_from_current_model(name: str, vector: Vector, pictures: Precision) -> bool:
    """Whether a modality's vector was made by the models of this Freshet, pictures' in this precision."""
    return vector.encoder.endswith(f"@{precision_of(name, pictures)}-{MODELS}")


def precision_of(name: str, pictures: Precision) -> Precision:
    """Of the encoder of this modality."""
    return pictures if name == "image" else "fp32"


def packed(made_by: str, row: Vectors) -> Vector | None:
    """A row [D] to be stored, or None where it says nothing."""
    return Vector(len(row), made_by, row.astype("<f4").tobytes()) if row.any() else None


def vector_of(video: Encoded, name: str = RETRIEVAL) -> Vectors | None:
    """Float32 [D] of a described video, or None where it has none of that name."""
    vector = video.vectors.get(name)
    return None if vector is None else np.frombuffer(vector.data, dtype="<f4")
