"""Vectors as features.v1 stores them: by name, with the encoder that made them, fused as the settings say."""

from msgspec.structs import replace

from encoders.fusion.fusion import Fusion, load_fusion, version_of
from encoders.fusion.projection import RETRIEVAL_DIM
from encoders.modalities.configured import modalities_of
from encoders.modalities.modality import ModalitySet
from schemas.messages.vectors import decode_vector, encode_vector
from schemas.messages.videos import RETRIEVAL as RETRIEVAL
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings

DIM = RETRIEVAL_DIM


def fusion_of(settings: Settings) -> Fusion:
    """The way of fusing that the settings choose; learned weights lie in the data folder."""
    return load_fusion(modalities_of(settings), settings.fusion, settings.data_dir / "fusion")


def with_fusion_version(video: Encoded, fusion: Fusion, modalities: ModalitySet) -> Encoded:
    """The video with a retrieval vector of this fusion, made of its modalities' vectors where it has another one.

    So another way of fusing needs no video to be encoded again. What other models made is left as it is.
    """
    version, now = version_of(fusion.version), video.vectors.get(RETRIEVAL)
    return video if now is not None and now.encoder == version else fused_again(video, fusion, modalities)


def fused_again(video: Encoded, fusion: Fusion, modalities: ModalitySet) -> Encoded:
    """The video with a retrieval vector of this fusion, of its vectors by present models; as it is without any."""
    rows = {
        name: row[None, :]
        for name, dim in modalities.stored.items()
        if (vector := video.vectors.get(name)) is not None
        and modalities.is_current(name, vector.encoder)
        and (row := decode_vector(vector, dim)) is not None
    }
    fused = encode_vector(version_of(fusion.version), fusion(rows)[0]) if rows else None
    return video if fused is None else replace(video, vectors={**video.vectors, RETRIEVAL: fused})
