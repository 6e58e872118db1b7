"""How much bare skin, and of which part of a body, pictures show: NudeNet's detector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from encoders.base import Vectors
from encoders.modalities.image import SIDE, Frames, checked
from encoders.models.manifest import read
from encoders.models.session import Port, Provider, open_model

FILE = "nudity-320n.onnx"
PIXELS = 320  # side of what the detector takes
LABELS = (  # in the order of the model's outputs; its file names them
    "FEMALE_GENITALIA_COVERED",
    "FACE_FEMALE",
    "BUTTOCKS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_BREAST_EXPOSED",
    "ANUS_EXPOSED",
    "FEET_EXPOSED",
    "BELLY_COVERED",
    "FEET_COVERED",
    "ARMPITS_COVERED",
    "ARMPITS_EXPOSED",
    "FACE_MALE",
    "BELLY_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_COVERED",
    "FEMALE_BREAST_COVERED",
    "BUTTOCKS_COVERED",
)
BOX = 4  # outputs before the labels: where, and how large
INPUTS = (Port("images", "float32", (None, 3, None, None), trial=(1, 3, PIXELS, PIXELS)),)
OUTPUTS = (Port("output0", "float32", (None, BOX + len(LABELS), None)),)


class NudityDetector:
    """Frames to one score per label: the highest at any place of any frame of a video.

    batch   uint8 [F, 224, 224, 3] or None; RGB
    return  float32 [N, 18], 0..1, in the order of LABELS; a zero row for None and for no frames at all

    Which labels count, and from which score on, is the policy's decision.
    """

    name = "nudity-320n"

    def __init__(self, folder: Path, *, provider: Provider = "auto", threads: int = 1) -> None:
        self._model = open_model(folder / FILE, provider=provider, threads=threads, inputs=INPUTS, outputs=OUTPUTS)
        self.version = f"fp32-{read(folder).key}"
        self.provider = self._model.provider

    def detect(self, batch: Sequence[Frames | None], /) -> Vectors:
        scores = np.zeros((len(batch), len(LABELS)), np.float32)
        for row, frames in enumerate(batch):
            for frame in checked(frames, type(self).__name__):  # one a call: a score may not depend on other frames
                places = self._model(enlarged(frame)[None])[0][0]  # [22, 2100]
                scores[row] = np.maximum(scores[row], places[BOX:].max(axis=1))
        return scores


def enlarged(frame: Frames) -> Vectors:
    """One frame uint8 [224, 224, 3] to float32 [3, 320, 320], 0..1, by linear interpolation.

    In RGB, which the detector was trained on; NudeNet's own Python code hands it BGR by mistake (its issue 203).
    OpenCV, which it uses, rounds colours to integers (0.003); on three frames that changed no score by over 0.013.
    """
    channels = frame.transpose(2, 0, 1).astype(np.float32) / 255  # [3, 224, 224]
    return np.asarray(_STRETCH @ channels @ _STRETCH.T, np.float32)


def _stretch(long: int, short: int) -> Vectors:
    """The matrix [long, short] that stretches a row of pixels, whose centres are half a pixel from the edge.

    >>> _stretch(4, 2).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    at = ((np.arange(long) + 0.5) * short / long - 0.5).clip(0, short - 1)  # [long], in short pixels
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(short))), np.float32)


_STRETCH = _stretch(PIXELS, SIDE)
