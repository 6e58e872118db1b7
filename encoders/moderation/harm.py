"""How likely a text insults, threatens or harasses, in any language: a linear classifier of multilingual vectors."""

import hashlib
from pathlib import Path
from typing import Self

import numpy as np

from encoders.base import TextModelName, Vectors

FITTED: dict[TextModelName, Path] = {  # made by `python -m tests.bench.gate --fit`
    "e5": Path(__file__).with_name("harm-e5.npz"),
    "multilingual": Path(__file__).with_name("harm-multilingual.npz"),
}


class Harm:
    """The vector of a text to the probability that a moderator would object to it.

    A logistic regression on 384 numbers, learned from 36 harmful and 38 harmless titles, each in English and three of
    ten other languages, and 208 ordinary ones. They were made up for this, so it is a first sieve: it may limit a
    video, and never drops one.
    """

    def __init__(self, path: Path) -> None:
        content, self.name = path.read_bytes(), path.stem
        with np.load(path, allow_pickle=False) as stored:
            self._weights, self._bias = stored["weights"], float(stored["bias"])  # float64 [384]
            self.fitted_for = str(stored["model"])  # the version of the encoder whose vectors it was learned from
        self.version = hashlib.sha256(content).hexdigest()[:16]

    @classmethod
    def of(cls, text_version: str) -> Self | None:
        """The classifier, where it was learned from vectors of this version."""
        found = (cls(path) for path in FITTED.values())
        return next((one for one in found if one.fitted_for == text_version), None)

    def __call__(self, vector: Vectors) -> float:
        """0 (harmless) to 1 (harmful) for float32 [384]; exactly 0 for the zero row of no text at all."""
        if not vector.any():
            return 0.0
        return float(1 / (1 + np.exp(-(vector.astype(np.float64) @ self._weights + self._bias))))
