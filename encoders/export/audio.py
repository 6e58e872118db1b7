"""The audio encoder's files: musicnn's TensorFlow checkpoint to ONNX, with the log-mel spectrogram inside the graph."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from encoders.audio import DIM, DIRECTIONS, DIRECTIONS_DIM, FILE, INPUTS, OUTPUTS, PATCH, RATE
from encoders.base import Vectors
from encoders.export import checkpoint
from encoders.export.checks import Say, accepted, kept, write_draft
from encoders.export.mel import HOP, WINDOW, mel_bands, waves
from encoders.export.onnx_file import BATCH, OPSET, difference, save_onnx
from encoders.fuse import principal_directions
from encoders.manifest import ModelFile, describe
from encoders.runtime import open_model

IN_WEIGHTS = "musicnn/MSD_musicnn"
FRAMES = 187  # of a patch; 3 s give 188, the training took 187
EPSILON = 1e-3  # of TensorFlow's batch normalisation
BATCHES = (1, 2, 5)
SOURCE = "musicnn, trained on the Million Song Dataset, from the wheel musicnn 0.1.0"
LICENCE = "ISC"

Weights = Mapping[str, Vectors]


class Normed(torch.nn.Module):
    """A layer, then ReLU, then batch normalisation, in musicnn's order; without a layer, normalisation alone.

    number  of the normalisation in the checkpoint, which counts them as the network was built
    """

    def __init__(self, weights: Weights, number: int, layer: Any = None) -> None:
        super().__init__()
        name = "batch_normalization" + (f"_{number}" if number else "")
        told = {key: weights[f"{name}/{key}"] for key in ("gamma", "beta", "moving_mean", "moving_variance")}
        scale = told["gamma"] / np.sqrt(told["moving_variance"] + np.float32(EPSILON))
        self.layer = layer
        self.register_buffer("scale", torch.from_numpy(scale))
        self.register_buffer("shift", torch.from_numpy(told["beta"] - told["moving_mean"] * scale))

    def forward(self, x: Any) -> Any:
        if self.layer is not None:
            x = functional.relu(self.layer(x))
        each = (-1, *[1] * (x.dim() - 2))  # [C, 1, ...]
        return x * self.scale.view(each) + self.shift.view(each)


class Song(torch.nn.Module):
    """musicnn (Pons & Serra 2019) with its log-mel spectrogram and the vector's L2 norm inside the graph.

    pcm     float32 [B, 48000], mono, 16 kHz
    return  float32 [B, 200], the layer before the last, and [B, 50] probabilities
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.register_buffer("waves", torch.from_numpy(waves())[:, None])  # [514, 1, 512]
        self.register_buffer("bands", torch.from_numpy(mel_bands()))  # [96, 257]
        self.input = Normed(weights, 0)
        # five looks at [B, 1, T, 96]: timbre at two widths of the spectrum, rhythm at three lengths
        self.looks = torch.nn.ModuleList(Normed(weights, 1 + at, _look(weights, at)) for at in range(5))
        self.middle = torch.nn.ModuleList(Normed(weights, 6 + at, _along(weights, 5 + at)) for at in range(3))
        self.pooled = Normed(weights, 9)
        self.last = Normed(weights, 10, _dense(weights, "dense"))
        self.tags = _dense(weights, "dense_1")

    def forward(self, pcm: Any) -> Any:
        x = self.input(self.log_mel(pcm)[:, None])  # [B, 1, T, 96]
        front = torch.cat([look(x).amax(3) for look in self.looks], 1)  # [B, 561, T]
        first = self.middle[0](front)  # [B, 64, T]
        second = self.middle[1](first) + first
        third = self.middle[2](second) + second
        every = torch.cat([front, first, second, third], 1)  # [B, 753, T]
        pooled = torch.stack([every.amax(2), every.mean(2)], 2).flatten(1)  # [B, 1506], maximum and mean by turns
        last = self.last(self.pooled(pooled))  # [B, 200]
        return functional.normalize(last, dim=-1), torch.sigmoid(self.tags(last))

    def log_mel(self, pcm: Any) -> Any:
        """[B, 48000] to [B, 187, 96]; within 1e-5 of librosa 0.11 on a chirp with noise, whose values reach 5.7.

        In float32: the original's float16 is infinite from a power of 6.6 on.
        """
        # mirrored at the ends, as librosa 0.7 did when musicnn came out; what a cut leaves out is more like that than
        # like the silence that librosa pads with today (tags differ by 0.002)
        padded = functional.pad(pcm[:, None], (WINDOW // 2, WINDOW // 2), mode="reflect")  # [B, 1, 48512]
        parts = functional.conv1d(padded, self.waves, stride=HOP)  # [B, 514, 188]
        power = parts[:, : WINDOW // 2 + 1].square() + parts[:, WINDOW // 2 + 1 :].square()  # [B, 257, 188]
        return torch.log10(10_000 * (self.bands @ power) + 1)[:, :, :FRAMES].transpose(1, 2)


def _look(weights: Weights, number: int) -> Any:
    """TensorFlow's convolution [height, width, in, out], which keeps the length: an odd filler goes behind."""
    name = "conv2d" + (f"_{number}" if number else "")
    kernel = torch.from_numpy(weights[f"{name}/kernel"].transpose(3, 2, 0, 1).copy())  # [out, in, T, 96]
    conv = _loaded(torch.nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2:]), kernel, weights[f"{name}/bias"])
    around = kernel.shape[2] - 1
    return torch.nn.Sequential(torch.nn.ZeroPad2d((0, 0, around // 2, around - around // 2)), conv)


def _along(weights: Weights, number: int) -> Any:
    """A convolution along time over all channels: TensorFlow has the channels as the spectrum's axis."""
    kernel = torch.from_numpy(weights[f"conv2d_{number}/kernel"][:, :, 0].transpose(2, 1, 0).copy())  # [out, in, 7]
    conv = torch.nn.Conv1d(kernel.shape[1], kernel.shape[0], kernel.shape[2], padding=kernel.shape[2] // 2)
    return _loaded(conv, kernel, weights[f"conv2d_{number}/bias"])


def _dense(weights: Weights, name: str) -> Any:
    kernel = torch.from_numpy(weights[f"{name}/kernel"].T.copy())  # [out, in]
    return _loaded(torch.nn.Linear(kernel.shape[1], kernel.shape[0]), kernel, weights[f"{name}/bias"])


def _loaded(layer: Any, kernel: Any, bias: Vectors) -> Any:
    layer.load_state_dict({"weight": kernel, "bias": torch.from_numpy(bias.copy())})
    return layer


def make(folder: Path, weights_dir: Path, say: Say) -> list[ModelFile]:
    """Write the audio encoder's files, checked against torch."""
    say("export: audio, TensorFlow's checkpoint to ONNX")
    weights = checkpoint.read(weights_dir / IN_WEIGHTS)
    song = Song(weights).eval()
    save_onnx(song, [torch.zeros(2, PATCH)], folder / FILE, INPUTS, OUTPUTS, {0: BATCH})
    tags = weights["dense_1/kernel"].T  # [50, 200]
    matrix = principal_directions(tags, DIRECTIONS_DIM)
    np.save(folder / DIRECTIONS, matrix)
    write_draft(folder, [describe(folder / FILE, source=SOURCE, licence=LICENCE)])
    parity = accepted(FILE, _difference(song, folder / FILE), say)
    return [
        describe(folder / FILE, source=SOURCE, licence=LICENCE, dim=DIM, opset=OPSET, parity=parity),
        describe(folder / DIRECTIONS, source=SOURCE, licence=LICENCE, dim=DIRECTIONS_DIM, parity=kept(tags, matrix)),
    ]


def _difference(song: Song, path: Path) -> float:
    model = open_model(path, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
    rng, seconds = np.random.default_rng(0), np.arange(PATCH) / RATE
    tones = [rng.uniform(80, 4000, (batch, 4, 1)) * seconds for batch in BATCHES]  # [B, 4, 48000], in turns
    sounds = [(0.2 * np.sin(2 * np.pi * turns).sum(axis=1)).astype(np.float32) for turns in tones]
    loud = [sound + rng.normal(0, 0.02, sound.shape).astype(np.float32) for sound in sounds]
    return max(difference(song, model, batch) for batch in loud)
