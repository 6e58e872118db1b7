"""How much of a sound is speech: Silero's detector, which musicnn's tags are held against."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from encoders.base import Vectors
from encoders.models.manifest import GET_SPEECH, SPEECH_FOLDER, WITHOUT_SPEECH, has_speech
from encoders.models.session import Port, open_model

log = logging.getLogger("freshet.encoders")

FILE = "speech-silero.onnx"
RATE = 16_000  # samples a second
STEP, CONTEXT, STATE = 512, 64, 128  # samples heard at once, of those before them, and numbers remembered
HEARD = 31 * STEP  # a second in the middle of a patch: the whole of it tells no more and costs three times as much
INPUTS = (  # a first run says 1 where the rate stands, and the file then takes sound of 8 kHz, half as many samples
    Port("input", "float32", (None, None), trial=(1, (CONTEXT + STEP) // 2)),
    Port("state", "float32", (2, None, STATE), trial=(2, 1, STATE)),
    Port("sr", "int64", ()),
)
OUTPUTS = (Port("output", "float32", (None, 1)), Port("stateN", "float32", (None, None, None)))


class SpeechDetector:
    """Patches of sound to the probability that somebody speaks, without music that is as loud (Silero VAD 5).

    Sung words count little: of a song with guitar 0.25, of people who read aloud 0.73 and more.
    """

    def __init__(self, folder: Path) -> None:
        self._model = open_model(folder / FILE, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The detector of a model folder; None where there is none, which is said once."""
        if has_speech(folder):
            return cls(folder / SPEECH_FOLDER)
        log.warning("%s lacks the speech detector, %s: %s", folder, WITHOUT_SPEECH, GET_SPEECH)
        return None

    def __call__(self, patches: Sequence[Vectors]) -> Vectors:
        """Float32 [P], the mean over the second in the middle of each patch float32 [S], 16 kHz, at least that long."""
        start = (len(patches[0]) - HEARD) // 2
        sound = np.stack(patches)[:, start - CONTEXT : start + HEARD]  # [P, 64 + 31 · 512]
        state = np.zeros((2, len(sound), STATE), np.float32)
        total = np.zeros(len(sound), np.float32)
        for at in range(0, HEARD, STEP):
            heard = np.ascontiguousarray(sound[:, at : at + CONTEXT + STEP])
            spoken, state = self._model(heard, state, np.array(RATE, np.int64))
            total += spoken[:, 0]
        return total * (STEP / HEARD)
