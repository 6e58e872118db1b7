"""musicnn (Pons & Serra 2019, arXiv:1909.06654) in torch, from TensorFlow's weights, its log-mel spectrogram inside."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from encoders.base import Vectors
from encoders.export.audio import EPSILON, FRAMES
from encoders.export.mel import HOP, WINDOW, mel_bands, waves

Weights = Mapping[str, Vectors]


class Normed(torch.nn.Module):
    """A layer, then ReLU, then batch normalisation, in musicnn's order; without a layer, normalisation alone.

    number  of the normalisation in the checkpoint, which counts them as the network was built
    """

    def __init__(self, weights: Weights, number: int, layer: Any = None) -> None:
        super().__init__()
        name = "batch_normalization" + (f"_{number}" if number else "")
        moments = {key: weights[f"{name}/{key}"] for key in ("gamma", "beta", "moving_mean", "moving_variance")}
        scale = moments["gamma"] / np.sqrt(moments["moving_variance"] + np.float32(EPSILON))
        self.layer = layer
        self.register_buffer("scale", torch.from_numpy(scale))
        self.register_buffer("shift", torch.from_numpy(moments["beta"] - moments["moving_mean"] * scale))

    def forward(self, x: Any) -> Any:
        return self.normed(x if self.layer is None else functional.relu(self.layer(x)))

    def normed(self, x: Any) -> Any:
        """[B, C, ...] after the normalisation alone."""
        each = (-1, *[1] * (x.dim() - 2))  # [C, 1, ...]
        return x * self.scale.view(each) + self.shift.view(each)


class Look(Normed):
    """A convolution over the spectrogram, of which only the greatest value over the spectrum is normalised.

    The original normalises before it takes the maximum: 96 times the work for the same, as long as a filter that the
    normalisation negates (scale < 0) is negated here, so that its least value becomes the greatest.
    """

    def __init__(self, weights: Weights, number: int, conv: Any) -> None:
        super().__init__(weights, number, conv)
        self.register_buffer("turn", torch.where(self.scale < 0, -1.0, 1.0))
        with torch.no_grad():
            conv[1].weight *= self.turn.view(-1, 1, 1, 1)
            conv[1].bias *= self.turn

    def forward(self, x: Any) -> Any:
        """[B, 1, T, 96] to [B, C, T]."""
        return self.normed(functional.relu(self.turn[:, None] * self.layer(x).amax(3)))


class Song(torch.nn.Module):
    """musicnn (Pons & Serra 2019) with its log-mel spectrogram and the vector's L2 norm inside the graph.

    pcm     float32 [B, 48000], mono, 16 kHz
    return  float32 [B, 200], the layer before the last, and [B, 50] probabilities
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        for name, wave in zip(("cosines", "sines"), waves(), strict=True):
            self.register_buffer(name, torch.from_numpy(wave))  # [256, 257], [255, 257]
        self.register_buffer("bands", torch.from_numpy(mel_bands().T.copy()))  # [257, 96]
        self.input = Normed(weights, 0)
        # five looks at [B, 1, T, 96]: timbre at two widths of the spectrum, rhythm at three lengths
        self.looks = torch.nn.ModuleList(Look(weights, 1 + at, _look(weights, at)) for at in range(5))
        self.middle = torch.nn.ModuleList(Normed(weights, 6 + at, _along(weights, 5 + at)) for at in range(3))
        self.pooled = Normed(weights, 9)
        self.last = Normed(weights, 10, _dense(weights, "dense"))
        self.tags = _dense(weights, "dense_1")

    def forward(self, pcm: Any) -> Any:
        x = self.input(self.log_mel(pcm)[:, None])  # [B, 1, T, 96]
        front = torch.cat([look(x) for look in self.looks], 1)  # [B, 561, T]
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
        halves = padded[:, 0, : (FRAMES + 1) * HOP].unflatten(1, (FRAMES + 1, HOP))  # two make a frame
        first, second = halves[:, :-1], halves[:, 1:]  # [B, 187, 256]
        back = second[:, :, 1:].flip(2)
        even = torch.cat([first[:, :, 1:] + back, second[:, :, :1]], 2)  # [B, 187, 256]
        power = (even @ self.cosines).square() + ((first[:, :, 1:] - back) @ self.sines).square()  # [B, 187, 257]
        return torch.log10(10_000 * (power @ self.bands) + 1)


def _look(weights: Weights, number: int) -> Any:
    """TensorFlow's convolution [height, width, in, out], which keeps the length: odd padding goes to the end."""
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
