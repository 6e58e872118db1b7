"""multilingual-e5-small in plain numpy, which the exported graph is compared with."""

from math import erf

import numpy as np
from numpy.typing import NDArray

from encoders.base import Vectors
from encoders.export.e5.packed import E5File

_erf = np.frompyfunc(erf, 1, 1)


class Reference:
    """A text's tokens to its vector: float32 weights, one text a call, nothing centred.

    ids     pieces of one text, with beginning and end
    return  float32 [384], L2 norm 1
    """

    def __init__(self, file: E5File) -> None:
        self._file = file
        self._weights = {name: blocks.weights() for name, blocks in file.blocks.items() if name != "emb.word"}

    def __call__(self, ids: list[int]) -> Vectors:
        file, dim = self._file, self._file.shape.dim
        table = file.blocks["emb.word"]
        words = type(table)(table.nibbles[ids], table.scales[ids]).weights()
        places = file.vectors["emb.pos"].reshape(-1, dim)[: len(ids)]
        rows = self._normed(words + places + file.vectors["emb.type"][:dim], "emb.ln")
        for layer in range(file.shape.layers):
            at = f"l{layer}."
            rows = self._normed(rows + self._linear(self._attended(rows, at), f"{at}ao"), f"{at}aln")
            rows = self._normed(rows + self._linear(_gelu(self._linear(rows, f"{at}fi")), f"{at}fo"), f"{at}oln")
        mean = rows.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def _linear(self, rows: Vectors, name: str) -> Vectors:
        return np.asarray(rows @ self._weights[f"{name}.w"].T + self._file.vectors[f"{name}.b"])

    def _normed(self, rows: Vectors, name: str) -> Vectors:
        spread = rows.var(axis=-1, keepdims=True) + self._file.eps
        scaled = (rows - rows.mean(axis=-1, keepdims=True)) / np.sqrt(spread)
        return np.asarray(scaled * self._file.vectors[f"{name}.w"] + self._file.vectors[f"{name}.b"])

    def _attended(self, rows: Vectors, at: str) -> Vectors:
        heads = self._file.shape.heads
        q, k, v = (self._linear(rows, at + part).reshape(len(rows), heads, -1).swapaxes(0, 1) for part in "qkv")
        products = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])  # [heads, T, T]
        shares = np.exp(products - products.max(axis=-1, keepdims=True))
        mixed = shares / shares.sum(axis=-1, keepdims=True) @ v
        return np.asarray(mixed.swapaxes(0, 1).reshape(len(rows), -1))


def _gelu(rows: NDArray[np.float32]) -> Vectors:
    return np.asarray(rows * 0.5 * (1 + _erf(rows / np.sqrt(2)).astype(np.float32)))
