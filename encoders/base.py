"""What an encoder is, what it reads, and the two rules that every vector keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Precision = Literal["fp32", "int8", "int4"]
TextModelName = Literal["e5", "minilm", "multilingual"]
Vectors = NDArray[np.float32]
Input = TypeVar("Input", contravariant=True)

LABELS = "labels"  # folder of the vectors of labels, below data_dir: no person is named in it
SMALLEST_NORM = 1e-12  # below this a float32 direction is noise, so the row counts as missing


class ModelError(RuntimeError):
    """A model file that cannot be used: one sentence with the file, what is wrong and what to do."""


class Encoder(Protocol[Input]):
    """Turns one modality of a batch of videos into unit vectors.

    The laws, which `encoders.testing` checks: the answer is float32 [N, dim]; a row has norm 1, or is all zero where
    the input is None or says nothing; no value is NaN; a video encoded alone and in a batch agrees to 1e-5.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Changes whenever the vectors may: vectors of two versions are not compared."""

    @property
    def dim(self) -> int: ...

    def encode(self, batch: Sequence[Input | None], /) -> Vectors: ...


class Classified(NamedTuple):
    """Vectors of a batch, and from the same run how well each label fits each video.

    vectors  float32 [N, dim], L2 norm 1, or a zero row
    shares   float32 [N, L] in the order of the encoder's labels: probabilities or cosines; zero where nothing is known
    """

    vectors: Vectors
    shares: Vectors


class Classifier(Encoder[Input], Protocol[Input]):
    """An encoder that also names what it finds; its labels become tags of the video."""

    @property
    def labels(self) -> Sequence[str]: ...

    def classify(self, batch: Sequence[Input | None], /) -> Classified:
        """The vectors of `encode`, and the shares of the labels."""


@dataclass(frozen=True, eq=False)
class Content:
    """What is known of one video before it is encoded; what is missing is None.

    text         title, tags, category and description in one, see `text_of`
    title, description, tags, category, language
                 what the upload says, each for itself
    frames       uint8 [F, 224, 224, 3], RGB, spread evenly over the video
    sound        float32 [S], mono, 16 kHz, -1..1
    duration_ms  length of the media file as the decoder measured it
    """

    text: str | None = None
    title: str | None = None
    description: str | None = None
    tags: Sequence[str] | None = None
    category: str | None = None
    language: str | None = None
    frames: NDArray[np.uint8] | None = None
    sound: NDArray[np.float32] | None = None
    duration_ms: int | None = None


def text_of(
    title: str | None = None,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    category: str | None = None,
) -> str | None:
    """Join what an upload says about itself into the one text that is encoded; None if it says nothing.

    The description comes last: the encoder cuts long texts at the end, and descriptions are the long part.

    >>> text_of("Street food  in Osaka", "Ten stalls.", ["food", "japan"], "travel")
    'Street food in Osaka. food, japan. travel. Ten stalls.'
    >>> text_of(title=" ") is None
    True
    """
    joined_tags = ", ".join(filter(None, map(_squeezed, tags or ())))
    parts = filter(None, (_squeezed(title), joined_tags, _squeezed(category), _squeezed(description)))
    return ". ".join(parts) or None


def _squeezed(text: str | None) -> str:
    return " ".join((text or "").split())


def unit_rows(rows: Vectors) -> Vectors:
    """Scale each row of [N, D] to norm 1; a row that is zero or not finite becomes a zero row.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0], [0.0, 0.0]]
    """
    wide = rows.astype(np.float64)  # float32 squares overflow from 2e19 on
    norms = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))  # [N, 1]
    usable = np.isfinite(norms) & (norms > SMALLEST_NORM)
    return np.where(usable, wide / np.where(usable, norms, 1.0), 0.0).astype(np.float32)
