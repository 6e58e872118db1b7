"""The nudity detector's file: NudeNet's own ONNX file, as it is."""

import ast
from pathlib import Path

import numpy as np

from encoders.base import ModelError
from encoders.export.checks import Report, copied
from encoders.modalities.image import SIDE
from encoders.models.manifest import ModelFile
from encoders.models.session import open_model
from encoders.moderation.nudity import FILE, INPUTS, LABELS, OUTPUTS, NudityDetector

IN_WEIGHTS = "nudenet/320n.onnx"
SOURCE = "NudeNet 320n, from the wheel nudenet 3.4.2"
LICENCE = "AGPL-3.0 (the file says so; the wheel's metadata says MIT)"


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Copy the detector, and check that it opens and answers."""
    made = copied(weights_dir / IN_WEIGHTS, folder / FILE, report, source=SOURCE, licence=LICENCE, opset=17)
    model = open_model(folder / FILE, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
    if tuple(ast.literal_eval(model.metadata["names"]).values()) != LABELS:
        raise ModelError(f"{FILE} has other labels than encoders/moderation/nudity.py: change its LABELS.")
    NudityDetector(folder, provider="cpu").detect([np.zeros((1, SIDE, SIDE, 3), np.uint8)])
    return made
