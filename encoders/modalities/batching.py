"""A video's parts, its frames or its patches of sound, through a model and back to one row per video."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors

Part = NDArray[Any]


def run(model: Callable[[Part], list[Vectors]], videos: Iterable[Iterable[Part]], rows: int) -> list[Vectors]:
    """Every output of the model, [P, ...], for all parts of all videos in their order.

    model   answers with arrays of its own: the one that it is given is filled anew for the next call
    videos  parts of each video, all of the same shape and type; at least one in all
    rows    of every call: the last call is filled up, since another number of rows may change the bits of a row,
            and costs CUDA a new search for its fastest kernels
    """
    parts = chain.from_iterable(videos)
    first = next(parts)
    stacked = np.empty((rows, *first.shape), first.dtype)  # once: fresh pages of memory cost more than to fill them
    answers = [
        [output[: len(call)] for output in model(np.stack(call + call[:1] * (rows - len(call)), out=stacked))]
        for call in _batches(chain([first], parts), rows)
    ]
    return [np.concatenate(outputs) for outputs in zip(*answers, strict=True)]


def _batches(parts: Iterator[Part], rows: int) -> Iterator[list[Part]]:
    while call := list(islice(parts, rows)):
        yield call


def means(rows: Vectors, counts: Sequence[int]) -> Vectors:
    """The mean of each video's rows, which follow one another; a zero row where the count is 0.

    >>> means(np.array([[1, 0], [3, 0], [5, 6]], np.float32), [2, 0, 1]).tolist()
    [[2.0, 0.0], [0.0, 0.0], [5.0, 6.0]]
    """
    ends = np.cumsum(counts)
    found = np.zeros((len(counts), rows.shape[1]), np.float32)
    for video, (end, count) in enumerate(zip(ends, counts, strict=True)):
        if count:
            found[video] = rows[end - count : end].mean(axis=0)
    return found
