"""Whether compiled products of vectors have the bits of NumPy's: that depends on the processor and on its BLAS."""

from functools import cache

import numpy as np

from ranker.catalogue.arrays import Floats
from ranker.pipeline.kernel import calls, switch

LANES = 16  # vectors that candidates are compared with
TILE_ROWS = 128  # candidates in one product of NumPy
POOL_SIZE = 96  # the best candidates compete for places, in one product with themselves; a guess
TILES = 3


def is_used(dim: int) -> bool:
    """Whether vectors of so many numbers are multiplied compiled in this process."""
    return switch.is_used() and agree(dim)


@cache
def agree(dim: int) -> bool:
    """Whether both give the same bits of vectors made by chance, in the shapes in which they are multiplied."""
    if not calls.is_fused() or dim % LANES:
        return False
    rng = np.random.default_rng(dim)
    vectors = rng.standard_normal((TILES * TILE_ROWS, dim), np.float32)
    columns = rng.standard_normal((1, dim, LANES), np.float32)
    return _cosines_agree(vectors, columns) and _pools_agree(vectors[:POOL_SIZE])


def _cosines_agree(vectors: Floats, columns: Floats) -> bool:
    count = len(vectors)
    rows, ones = np.arange(count, dtype=np.int32), np.ones((1, LANES), np.float32)
    found = calls.cosines(vectors, rows, np.array([0, count]), columns, ones)
    products = (vectors.reshape(TILES, TILE_ROWS, -1) @ columns[0]).reshape(-1, LANES)
    return bool(found.T.tobytes() == products.tobytes())


def _pools_agree(vectors: Floats) -> bool:
    return bool(calls.of_pool(vectors).tobytes() == np.matmul(vectors, vectors.T).tobytes())
