"""The image encoder's files by way of torch and onnxruntime's quantiser, with the scales of int8 calibrated anew."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from encoders.export.checks import Answers, Parity, Report, asked
from encoders.export.image import IN_WEIGHTS, MEAN, STD, finished, samples
from encoders.export.source.onnx_file import BATCH, save_onnx, with_answers
from encoders.modalities.image import FILES, INPUTS, OUTPUTS, SIDE
from encoders.models.manifest import ModelFile
from encoders.models.session import quantise_nodes

CODE = "efficientnet_lite_pytorch"  # the architecture; pinned by hash like the weights
TAIL = 25  # convolutions from the end that are int8, of 49: blocks 8 to 15 and the last (docs/content/measurements.md)


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


def make(folder: Path, weights_dir: Path, report: Report, *, answers: Answers) -> list[ModelFile]:
    """Write the image encoder's files: fp32 checked against torch, int8 compared with fp32."""
    report("export: image, torch to ONNX")
    fp32, int8 = folder / FILES["fp32"], folder / FILES["int8"]
    picture = Picture(_net(weights_dir)).eval()
    example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    save_onnx(picture, [example], fp32, INPUTS, OUTPUTS, {0: BATCH})
    photos = photographs(24)
    quantise_nodes(fp32, int8, _tail(fp32), ({INPUTS[0].name: photo[None]} for photo in photos))
    parity = {fp32.name: with_answers(picture, fp32, INPUTS, OUTPUTS, samples(), report, answers)}
    answers |= asked(int8, INPUTS, OUTPUTS, samples())
    parity[int8.name] = _cosines(fp32, int8, photos)
    return finished(folder, picture.net._fc.weight.detach().numpy(), parity)


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


def _cosines(fp32: Path, int8: Path, photos: NDArray[np.uint8]) -> Parity:
    """How near the int8 vectors are to fp32's, on the pieces that int8 was calibrated with."""
    one, other = (next(iter(asked(path, INPUTS, OUTPUTS, [(photos,)]).values())) for path in (fp32, int8))
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
