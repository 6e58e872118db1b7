"""The audio encoder's files: musicnn's TensorFlow checkpoint to a graph without its dead filters, and its directions.

Nothing here needs torch. `encoders/export/source/audio.py` makes the same file by way of torch, and what the whole
network answers there is what this one is compared with.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors
from encoders.export import checkpoint
from encoders.export.checks import Parity, Report, accepted, asked, difference, kept, recorded
from encoders.export.graph import OPSET, Graph, unit
from encoders.export.mel import HOP, WINDOW, mel_bands, waves
from encoders.fusion.projection import principal_directions
from encoders.modalities.audio import DIM, DIRECTIONS, DIRECTIONS_DIM, FILE, INPUTS, OUTPUTS, PATCH, RATE, WHOLE
from encoders.models.manifest import ModelFile, describe

IN_WEIGHTS = "musicnn/MSD_musicnn"
FRAMES = 187  # of a patch; 3 s give 188, the training took 187
EPSILON = 1e-3  # of TensorFlow's batch normalisation
DEAD = 1e-5  # sum of a filter's weights; 496 of 561 have less, the least of the others has 2e-5, the next 5e-2
NONE_DEAD = -1.0
SOURCE = "musicnn, trained on the Million Song Dataset, from the wheel musicnn 0.1.0"
LICENCE = "ISC"

Weights = Mapping[str, Vectors]


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the audio encoder's files, and refuse them where they answer otherwise than torch's whole network does."""
    report("export: audio")
    weights = checkpoint.read(weights_dir / IN_WEIGHTS)
    parity = {}
    for name, dead in ((FILE, DEAD), (WHOLE, NONE_DEAD)):
        song(weights, dead).save(folder / name)
        found = asked(folder / name, INPUTS, OUTPUTS, samples())
        told = {key.replace(WHOLE, FILE): array for key, array in found.items()}  # both answer alike
        parity[name] = accepted(name, difference(told, recorded()), report)
    return finished(folder, weights, parity)


def finished(folder: Path, weights: Weights, parity: Mapping[str, Parity]) -> list[ModelFile]:
    """The graphs' entries, and beside it the directions by which the tagger tells its tags apart."""
    tags = weights["dense_1/kernel"].T  # [50, 200]
    matrix = principal_directions(tags, DIRECTIONS_DIM)
    np.save(folder / DIRECTIONS, matrix)
    described = partial(describe, source=SOURCE, licence=LICENCE)
    return [
        *(described(folder / name, dim=DIM, opset=OPSET, parity=parity[name]) for name in (FILE, WHOLE)),
        described(folder / DIRECTIONS, dim=DIRECTIONS_DIM, parity=kept(tags, matrix)),
    ]


class Look(NamedTuple):
    """A convolution over the spectrogram, then its greatest value over the spectrum, normalised.

    The original normalises before it takes the maximum: 96 times the work for the same, as long as a filter that the
    normalisation negates is negated here (turn -1), so that its least value becomes the greatest.

    filters  float32 [C, 1, T, 96]; the others [C]
    """

    filters: Vectors
    bias: Vectors
    turn: Vectors
    scale: Vectors
    shift: Vectors

    def living(self, dead: float) -> NDArray[np.bool_]:
        """Which filters have weights, [C]."""
        return np.abs(self.filters).reshape(len(self.filters), -1).sum(1) > dead

    @property
    def constants(self) -> Vectors:
        """What each filter would answer if all its weights were zero."""
        return np.maximum(self.turn * self.bias, 0) * self.scale + self.shift

    def of(self, rows: NDArray[np.bool_]) -> "Look":
        return Look(*(part[rows] for part in self))

    def with_ones(self) -> "Look":
        """The same, and one filter more whose answer is always 1."""
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        filters = np.concatenate([self.filters, np.zeros_like(self.filters[:1])])
        parts = zip(self[1:], (one, one, one, zero), strict=True)
        return Look(filters, *(np.concatenate(pair) for pair in parts))


def song(weights: Weights, dead: float = DEAD) -> Graph:
    """musicnn (Pons & Serra 2019, arXiv:1909.06654) with its log-mel spectrogram and the vector's L2 norm inside.

    pcm         float32 [B, 48000], mono, 16 kHz
    audio_vec   float32 [B, 200], the layer before the last
    audio_tags  float32 [B, 50], probabilities

    Training with weight decay left all but 65 of the 561 filters of the first layer at zero. What a dead filter answers
    is its bias through ReLU and normalisation, whatever the sound: a constant. A channel of ones carries all these
    constants to where they are read, past the padding of the next convolution, too, which a bias could not: the same
    function at a sixth of the cost.
    """
    graph = Graph(INPUTS)
    looks = [_look(weights, number) for number in range(5)]
    living = np.concatenate([look.living(dead) for look in looks])  # [561]
    constants = np.concatenate([look.constants for look in looks])[~living]
    slim = [look.of(look.living(dead)) for look in looks]
    slim[-1] = slim[-1].with_ones()

    x = _normed(graph, graph.node("Unsqueeze", _log_mel(graph), _whole(graph, 1)), *_norm(weights, 0))
    front = graph.node("Concat", *(_looked(graph, look, x) for look in slim), axis=1)  # [B, 66, T]
    first = _along(graph, weights, 0, front, _carried(weights, living, constants))  # [B, 64, T]
    second = graph.node("Add", _along(graph, weights, 1, first), first)
    third = graph.node("Add", _along(graph, weights, 2, second), second)
    every = graph.node("Concat", front, first, second, third, axis=1)  # [B, 258, T]
    last = _last(graph, weights, _pooled(graph, every), living, constants)  # [B, 200]
    graph.output(unit(graph, last), OUTPUTS[0])
    graph.output(
        graph.node("Sigmoid", _dense(graph, weights["dense_1/kernel"].T, weights["dense_1/bias"], last)), OUTPUTS[1]
    )
    return graph


def _log_mel(graph: Graph) -> str:
    """[B, 48000] to [B, 187, 96]; within 1e-5 of librosa 0.11 on a chirp with noise, whose values reach 5.7.

    In float32: the original's float16 is infinite from a power of 6.6 on.
    """
    # mirrored at the ends, as librosa 0.7 did when musicnn came out; what a cut leaves out is more like that than
    # like the silence that librosa pads with today (tags differ by 0.002)
    half = WINDOW // 2
    padded = graph.node("Pad", "pcm", _whole(graph, 0, half, 0, half), mode="reflect")  # [B, 48512]
    cut = _slice(graph, padded, 0, (FRAMES + 1) * HOP, axis=1)
    halves = graph.node("Reshape", cut, _whole(graph, -1, FRAMES + 1, HOP))  # two make a frame
    first, second = _slice(graph, halves, 0, FRAMES, axis=1), _slice(graph, halves, 1, FRAMES + 1, axis=1)
    front = _slice(graph, first, 1, HOP, axis=2)  # [B, 187, 255]
    back = _slice(graph, second, HOP - 1, 0, axis=2, step=-1)  # samples 255 to 1
    middle = _slice(graph, second, 0, 1, axis=2)
    even = graph.node("Concat", graph.node("Add", front, back), middle, axis=2)  # [B, 187, 256]
    cosines, sines = map(graph.constant, waves())
    two = graph.constant(np.float32(2))
    power = graph.node(
        "Add",
        graph.node("Pow", graph.node("MatMul", even, cosines), two),
        graph.node("Pow", graph.node("MatMul", graph.node("Sub", front, back), sines), two),
    )  # [B, 187, 257]
    mel = graph.node("MatMul", power, graph.constant(mel_bands().T))
    raised = graph.node(
        "Add", graph.node("Mul", mel, graph.constant(np.float32(10_000))), graph.constant(np.float32(1))
    )
    return graph.node("Div", graph.node("Log", raised), graph.constant(np.log(np.float32(10))))


def _look(weights: Weights, number: int) -> Look:
    """A convolution of the first layer with its normalisation; TensorFlow has [height, width, in, out]."""
    name = "conv2d" + (f"_{number}" if number else "")
    scale, shift = _norm(weights, 1 + number)
    turn = np.where(scale < 0, np.float32(-1), np.float32(1))
    filters = weights[f"{name}/kernel"].transpose(3, 2, 0, 1) * turn[:, None, None, None]
    return Look(filters, weights[f"{name}/bias"] * turn, turn, scale, shift)


def _looked(graph: Graph, look: Look, x: str) -> str:
    """[B, 1, T, 96] to [B, C, T]; odd padding goes to the end."""
    around = look.filters.shape[2] - 1
    pads = [around // 2, 0, around - around // 2, 0]
    shape = list(look.filters.shape[2:])
    seen = graph.node("Conv", x, *map(graph.constant, (look.filters, look.bias)), kernel_shape=shape, pads=pads)
    greatest = graph.node("ReduceMax", seen, _whole(graph, 3), keepdims=0)
    turned = graph.node("Mul", graph.constant(look.turn[:, None]), greatest)
    return _normed(graph, graph.node("Relu", turned), look.scale[:, None], look.shift[:, None])


def _norm(weights: Weights, number: int) -> tuple[Vectors, Vectors]:
    """Scale and shift of a batch normalisation; the checkpoint counts them as the network was built."""
    name = "batch_normalization" + (f"_{number}" if number else "")
    gamma, beta, mean, variance = (
        weights[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + np.float32(EPSILON))
    return scale, beta - mean * scale


def _carried(weights: Weights, living: NDArray[np.bool_], constants: Vectors) -> Vectors:
    """The next layer's filters [64, 66, 7]: those of living channels, and the dead ones' in the channel of ones."""
    filters = _kernel(weights, 0)
    return np.concatenate(
        [filters[:, living], (filters[:, ~living] * constants[:, None]).sum(1, keepdims=True)], axis=1
    )


def _kernel(weights: Weights, number: int) -> Vectors:
    """A convolution along time over all channels [out, in, 7]: TensorFlow has the channels as the spectrum's axis."""
    return weights[f"conv2d_{5 + number}/kernel"][:, :, 0].transpose(2, 1, 0)


def _along(graph: Graph, weights: Weights, number: int, x: str, filters: Vectors | None = None) -> str:
    filters = _kernel(weights, number) if filters is None else filters
    side = filters.shape[2]
    values = map(graph.constant, (filters, weights[f"conv2d_{5 + number}/bias"]))
    seen = graph.node("Relu", graph.node("Conv", x, *values, kernel_shape=[side], pads=[side // 2, side // 2]))
    return _normed(graph, seen, *(part[:, None] for part in _norm(weights, 6 + number)))


def _pooled(graph: Graph, every: str) -> str:
    """[B, C, T] to [B, 2 C]: maximum and mean by turns."""
    two = _whole(graph, 2)
    parts = (
        graph.node("Unsqueeze", graph.node(f"Reduce{kind}", every, two, keepdims=0), two) for kind in ("Max", "Mean")
    )
    return graph.node("Reshape", graph.node("Concat", *parts, axis=2), _whole(graph, 0, -1))


def _last(graph: Graph, weights: Weights, pooled: str, living: NDArray[np.bool_], constants: Vectors) -> str:
    """[B, 516] to [B, 200]; what the dead channels' columns give is the column of the channel of ones."""
    scale, shift = (part.reshape(-1, 2) for part in _norm(weights, 9))  # [753, 2]: maximum and mean
    rows = weights["dense/kernel"].T.reshape(DIM, -1, 2)  # [200, 753, 2]
    front = len(living)
    dead = np.concatenate([~living, np.zeros(len(scale) - front, bool)])
    given = (rows[:, dead] * (scale[dead] * constants[:, None] + shift[dead])).sum(axis=(1, 2))
    one = np.stack([given, np.zeros_like(given)], axis=1)[:, None]  # [200, 1, 2]
    slim = np.concatenate([rows[:, :front][:, living], one, rows[:, front:]], axis=1).reshape(DIM, -1)
    ends = [
        np.concatenate([part[:front][living], np.array([column], np.float32), part[front:]]).ravel()
        for part, column in ((scale, (1, 0)), (shift, (0, 0)))
    ]
    dense = _dense(graph, slim, weights["dense/bias"], _normed(graph, pooled, *ends))
    return _normed(graph, graph.node("Relu", dense), *_norm(weights, 10))


def _normed(graph: Graph, x: str, scale: Vectors, shift: Vectors) -> str:
    return graph.node("Add", graph.node("Mul", x, graph.constant(scale)), graph.constant(shift))


def _dense(graph: Graph, rows: Vectors, bias: Vectors, x: str) -> str:
    return graph.node("Gemm", x, graph.constant(rows), graph.constant(bias), transB=1)


def _slice(graph: Graph, x: str, start: int, end: int, *, axis: int, step: int = 1) -> str:
    return graph.node("Slice", x, *(_whole(graph, one) for one in (start, end, axis, step)))


def _whole(graph: Graph, *numbers: int) -> str:
    return graph.constant(np.array(numbers))


def samples() -> list[tuple[Vectors, ...]]:
    """Calls that the answers are compared on: two patches of four tones each with noise."""
    rng, seconds = np.random.default_rng(0), np.arange(PATCH) / RATE
    turns = rng.uniform(80, 4000, (2, 4, 1)) * seconds  # [2, 4, 48000]
    sound = (0.2 * np.sin(2 * np.pi * turns).sum(axis=1)).astype(np.float32)
    return [(sound + rng.normal(0, 0.02, sound.shape).astype(np.float32),)]
