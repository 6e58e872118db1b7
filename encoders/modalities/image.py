"""Pictures to one vector and to the names of what they show: EfficientNet-Lite0, without torch."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.annotate.labels import labels_of
from encoders.base import Classified, ModelError, Precision, TextModelName, Vectors, unit_rows
from encoders.fusion.projection import read_directions
from encoders.modalities.batching import means, run
from encoders.modalities.modality import Description, LabelRule, Modality, ModalityContext, Scale
from encoders.models.manifest import MODELS, read
from encoders.models.session import Port, Provider, open_model

Frames = NDArray[np.uint8]
SIDE = 224  # pixels; what the model was trained on
DIM = 1280
LABELS = 1000  # of ImageNet
FILES: dict[Precision, str] = {"fp32": "image-efficientnet-lite0.onnx", "int8": "image-efficientnet-lite0.int8.onnx"}
DIRECTIONS = "image_directions.npy"  # [1280, 64]: the directions by which the classifier tells its labels apart
DIRECTIONS_DIM = 64
INPUTS = (Port("frames", "uint8", (None, SIDE, SIDE, 3)),)
OUTPUTS = (Port("image_vec", "float32", (None, DIM)), Port("image_logits", "float32", (None, LABELS)))
ROWS = {"cpu": 2, "cuda": 32}  # frames a call; on the CPU 2 cost 4 % less than 1, 4 and 8 no less; CUDA: 64 no less
MIN_SHARE = 0.15  # mean softmax over the frames; 1,000 classes share 1.0
PHRASE, DESCRIBING = "a photo of a {}", 20  # labels; measured, see docs/decisions/0078
SCALES: dict[TextModelName, Scale] = {  # fitted by `python -m tests.bench.one_space`
    "minilm": Scale(0.99, 0.081),
    "e5": Scale(1.05, 0.07),
    "multilingual": Scale(0.94, 0.078),
}


def modality(context: ModalityContext) -> Modality[Frames]:
    """Pictures, in the precision that is set."""
    precision = context.image_precision
    return Modality(
        name="image",
        dim=DIM,
        version=f"{precision}-{MODELS}",
        read=lambda content: content.frames,
        open=lambda: ImageEncoder(
            context.folder, provider=context.provider, threads=context.threads, precision=precision
        ),
        labels=LabelRule("image", MIN_SHARE),
        described=Description(PHRASE, DESCRIBING, SCALES[context.text_model]),
        columns=48,  # a guess, see `Weighted`
        directions=partial(read_directions, context.folder / DIRECTIONS),
        same=0.97,
    )


class ImageEncoder:
    """Frames to one unit vector: the mean of EfficientNet-Lite0's features (Tan & Le 2019, arXiv:1905.11946).

    batch   uint8 [F, 224, 224, 3] or None; RGB, F frames spread evenly over the video
    return  float32 [N, 1280], L2 norm 1; None, and no frames at all, get a zero row

    precision  "int8" has its later half in int8, and runs on CPUs alone; a service keeps to one, since vectors differ
    """

    name = "image-efficientnet-lite0"
    dim = DIM

    def __init__(
        self, folder: Path, *, provider: Provider = "auto", threads: int = 1, precision: Precision = "fp32"
    ) -> None:
        if precision == "int8":
            if provider == "cuda":
                raise ModelError("int8 pictures are for the CPU: set image_precision to fp32, or provider to auto.")
            provider = "cpu"
        path = folder / FILES[precision]
        self._model = open_model(path, provider=provider, threads=threads, inputs=INPUTS, outputs=OUTPUTS)
        self._rows = ROWS[self._model.provider]
        self.labels = labels_of(folder, "image", LABELS)
        self.version = f"{precision}-{read(folder).key}"
        self.provider = self._model.provider

    def encode(self, batch: Sequence[Frames | None], /) -> Vectors:
        return self.classify(batch).vectors

    def classify(self, batch: Sequence[Frames | None], /) -> Classified:
        """The vectors of `encode`, and from the same run float32 [N, 1000], the mean of the frames' softmax."""
        videos = [checked(frames, type(self).__name__) for frames in batch]
        counts = [len(frames) for frames in videos]
        if not any(counts):
            return Classified(np.zeros((len(videos), DIM), np.float32), np.zeros((len(videos), LABELS), np.float32))
        vectors, logits = run(self._model, videos, self._rows)  # [P, 1280], [P, 1000] of all frames
        return Classified(unit_rows(means(vectors, counts)), means(_softmax(logits), counts))


def checked(frames: Frames | None, by: str) -> Frames:
    """The frames of one video, none for None; a ValueError says what is wrong with their type or shape."""
    if frames is None:
        return np.zeros((0, SIDE, SIDE, 3), np.uint8)
    if frames.dtype != np.uint8 or frames.shape[1:] != (SIDE, SIDE, 3):
        got = f"{frames.dtype} {list(frames.shape)}"
        raise ValueError(f"{by}: got {got} instead of uint8 [F, {SIDE}, {SIDE}, 3]; resize the frames first.")
    return frames


def _softmax(logits: Vectors) -> Vectors:
    """
    >>> _softmax(np.array([[1000.0, 1000.0, -1000.0]], np.float32)).tolist()
    [[0.5, 0.5, 0.0]]
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Vectors = powers / powers.sum(axis=1, keepdims=True)
    return shares
