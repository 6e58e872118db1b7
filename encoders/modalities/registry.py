"""The built-in modalities; FRESHET_MODALITIES may name another function in the place of `build`.

A new one is a file beside this, a line below, and `encoders/export/` with a file of its name that makes its model.
"""

from typing import Any

from encoders.modalities import audio, image, text
from encoders.modalities.modality import Modality, ModalityContext

BUILT_IN = (
    text.modality,
    image.modality,
    audio.modality,
)


def build(context: ModalityContext) -> tuple[Modality[Any], ...]:
    """Describe the built-in modalities; opens none of their models."""
    return tuple(describe(context) for describe in BUILT_IN)
