"""The audio encoder's files: musicnn's TensorFlow checkpoint to ONNX, with and without its dead filters."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from encoders.export import checkpoint
from encoders.export.checks import Report, accepted, kept, write_draft
from encoders.export.musicnn import Song
from encoders.export.onnx_file import BATCH, OPSET, difference, save_onnx
from encoders.export.prune import pruned
from encoders.fusion.projection import principal_directions
from encoders.modalities.audio import DIM, DIRECTIONS, DIRECTIONS_DIM, FILE, INPUTS, OUTPUTS, PATCH, RATE, WHOLE
from encoders.models.manifest import ModelFile, describe
from encoders.models.session import open_model

IN_WEIGHTS = "musicnn/MSD_musicnn"
BATCHES = (1, 2, 5)
SOURCE = "musicnn, trained on the Million Song Dataset, from the wheel musicnn 0.1.0"
LICENCE = "ISC"


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the audio encoder's files, with and without the dead filters, both checked against torch with them."""
    report("export: audio, TensorFlow's checkpoint to ONNX")
    weights = checkpoint.read(weights_dir / IN_WEIGHTS)
    song = Song(weights).eval()
    tags = weights["dense_1/kernel"].T  # [50, 200]
    matrix = principal_directions(tags, DIRECTIONS_DIM)
    np.save(folder / DIRECTIONS, matrix)
    described = partial(describe, source=SOURCE, licence=LICENCE)
    made = [described(folder / DIRECTIONS, dim=DIRECTIONS_DIM, parity=kept(tags, matrix))]
    for name, module in ((FILE, pruned(song).eval()), (WHOLE, song)):
        save_onnx(module, [torch.zeros(2, PATCH)], folder / name, INPUTS, OUTPUTS, {0: BATCH})
        write_draft(folder, [described(folder / name)])
        parity = accepted(name, _difference(song, folder / name), report)
        made.append(described(folder / name, dim=DIM, opset=OPSET, parity=parity))
    return made


def _difference(song: Song, path: Path) -> float:
    model = open_model(path, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
    rng, seconds = np.random.default_rng(0), np.arange(PATCH) / RATE
    tones = [rng.uniform(80, 4000, (batch, 4, 1)) * seconds for batch in BATCHES]  # [B, 4, 48000], in turns
    sounds = [(0.2 * np.sin(2 * np.pi * turns).sum(axis=1)).astype(np.float32) for turns in tones]
    loud = [sound + rng.normal(0, 0.02, sound.shape).astype(np.float32) for sound in sounds]
    return max(difference(song, model, batch) for batch in loud)
