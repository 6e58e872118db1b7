"""The arrays that parts of the ranker hand each other, by what they hold; their shapes are said where they are used."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]  # of the catalogue
Places = NDArray[np.int64]  # in a batch, or among its candidates
Keys = NDArray[np.int64]  # a query and a number each, see pair_keys.py
Numbers = NDArray[np.int32] | NDArray[np.uint32] | NDArray[np.int64]
Words = NDArray[np.uint64]  # 64 bits each
Floats = NDArray[np.float32]
Vectors = NDArray[np.float32]  # [..., D]
Mask = NDArray[np.bool_]
