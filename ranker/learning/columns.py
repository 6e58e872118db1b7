"""Columns: arrays with a row a video or a key, which are made longer as these come."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


def grown(column: NDArray[T], size: int) -> NDArray[T]:
    """The column with zeros at its end, so many rows long.

    >>> grown(np.array([3, 4]), 3).tolist()
    [3, 4, 0]
    """
    return np.concatenate([column, np.zeros((size - len(column), *column.shape[1:]), column.dtype)])
