"""The audio encoder's file by way of torch, from the network with all its filters."""

from pathlib import Path

import torch

from encoders.export import checkpoint
from encoders.export.audio import IN_WEIGHTS, finished, samples
from encoders.export.checks import Answers, Report
from encoders.export.source.musicnn import Song
from encoders.export.source.onnx_file import BATCH, save_onnx, with_answers
from encoders.export.source.prune import pruned
from encoders.modalities.audio import FILE, INPUTS, OUTPUTS, PATCH, WHOLE
from encoders.models.manifest import ModelFile


def make(folder: Path, weights_dir: Path, report: Report, *, answers: Answers) -> list[ModelFile]:
    """Write the audio encoder's file without the dead filters, and one with them; both are checked against torch."""
    report("export: audio, TensorFlow's checkpoint to ONNX by torch")
    weights = checkpoint.read(weights_dir / IN_WEIGHTS)
    song = Song(weights).eval()
    parity, of_whole = {}, Answers()
    for name, module, told in ((WHOLE, song, of_whole), (FILE, pruned(song).eval(), answers)):
        save_onnx(module, [torch.zeros(2, PATCH)], folder / name, INPUTS, OUTPUTS, {0: BATCH})
        parity[name] = with_answers(song, folder / name, INPUTS, OUTPUTS, samples(), report, told)
    return finished(folder, weights, parity)
