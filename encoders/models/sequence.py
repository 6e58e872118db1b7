"""The file of a sequence model: opened, checked, and called with plain arrays.

Its graph turns the videos of one person, oldest first, into a vector of the person, and each video into a vector; their
inner product says how likely that video comes next. A video is a number that the file gives it, or, where the file does
not know it, its retrieval vector.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError, Vectors
from encoders.fusion.projection import RETRIEVAL_DIM as CONTENT_DIM
from encoders.models.session import Model, Port, open_content

LENGTH, DIM = 32, 64  # videos of a person that count, the newest; dimensions of a vector
FORMAT = "sequence@1"
REMEDY = "make it with `freshet train-sequence`"
INPUTS = (Port("videos", "int64", (1, LENGTH)), Port("content", "float32", (1, LENGTH, CONTENT_DIM)))
OUTPUTS = (Port("person", "float32", (1, DIM)), Port("vectors", "float32", (1, LENGTH, DIM)))

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class SequenceFile:
    """A sequence model as it is served, one person at a time: so nothing depends on a batch.

    version   hash of the file
    number    by video id, from 1; 0 is a video that the file does not know, or none
    content   version of the retrieval vectors by which other videos get a vector; empty: they get none
    """

    version: str
    number: dict[str, int]
    content: str
    _model: Model

    def person(self, numbers: Numbers, content: Vectors) -> Vectors:
        """The vector of a person [64] by the videos of theirs, oldest first [n], and [n, 256], zero where known."""
        return np.asarray(self._run(numbers[-LENGTH:], content[-LENGTH:])[0][0], np.float32)

    def videos(self, numbers: Numbers, content: Vectors) -> Vectors:
        """The vectors of videos [n, 64]."""
        parts = [
            self._run(numbers[start : start + LENGTH], content[start : start + LENGTH])[1][0][-(len(numbers) - start) :]
            for start in range(0, len(numbers), LENGTH)
        ]
        return np.concatenate([np.zeros((0, DIM), np.float32), *parts])

    def _run(self, numbers: Numbers, content: Vectors) -> list[NDArray[np.float32]]:
        """Call the graph with as many videos as it takes, the last ones at its end."""
        padded, vectors = np.zeros((1, LENGTH), np.int64), np.zeros((1, LENGTH, CONTENT_DIM), np.float32)
        if len(numbers):
            padded[0, -len(numbers) :], vectors[0, -len(numbers) :] = numbers, content
        return self._model(padded, vectors)


def open_sequence(path: Path) -> SequenceFile:
    """Open a file of `freshet train-sequence`; a ModelError says in one sentence why it cannot be used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {REMEDY}.") from error
    model = open_content(path, data, "cpu", 1, INPUTS, OUTPUTS, REMEDY)
    said = model.metadata
    if said.get("format") != FORMAT:
        raise ModelError(f"{path} is no sequence model of this version: {REMEDY}.")
    try:
        ids = json.loads(said["videos"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} does not say which videos it knows: {REMEDY}.") from error
    number = {str(video_id): place for place, video_id in enumerate(ids, 1)}
    return SequenceFile(sha256(data).hexdigest()[:8], number, said.get("content", ""), model)
