"""How abusive a text is: a linear classifier of single English words, in numpy."""

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.base import ModelError
from encoders.models.manifest import REMEDY, checked_bytes, read

WORDS = "toxicity.json"  # the words, and one intercept, slope and offset for each of the averaged classifiers
WEIGHTS = "toxicity.npy"  # float64 [V, 1 + K]: each word's rarity, then its weight in each classifier
WORD = re.compile(r"\b\w\w+\b")


class Toxicity:
    """A text to the probability that people would call it abusive (the model of alt-profanity-check).

    Five linear classifiers over the rarity-weighted words of the text, each with a calibrated probability, averaged.
    It knows 15,442 English words: a text in another language, or without a known word, gets the low score that any
    text gets, and irony is not recognised. Words count in whatever letter forms they are written, but not misspelt.
    """

    name = "toxicity-words"

    def __init__(self, folder: Path, as_words: Callable[[str], str] = str.lower) -> None:
        """Open the model; `as_words` writes a text in the letters that its words have."""
        self._as_words = as_words
        fields = json.loads(checked_bytes(folder / WORDS))
        matrix: NDArray[np.float64] = np.load(io.BytesIO(checked_bytes(folder / WEIGHTS)), allow_pickle=False)
        self._places = {word: place for place, word in enumerate(fields["words"])}
        self._bias, self._slopes, self._offsets = (np.array(fields[key]) for key in ("bias", "slopes", "offsets"))
        if matrix.shape != (len(self._places), 1 + len(self._bias)):
            raise ModelError(f"{folder / WEIGHTS} does not fit {WORDS} beside it: {REMEDY}.")
        self._rarity, self._weights = matrix[:, 0], matrix[:, 1:]  # [V], [V, K]
        self.version = f"fp64-{read(folder).key}"

    def __call__(self, text: str | None) -> float:
        """0 (harmless) to 1 (abusive); exactly 0 for no text at all."""
        if not text:
            return 0.0
        counts = Counter(
            place for word in WORD.findall(self._as_words(text)) if (place := self._places.get(word)) is not None
        )
        places = sorted(counts)
        tfidf = np.array([counts[place] for place in places]) * self._rarity[places]  # [W]
        length = np.sqrt(np.square(tfidf).sum()) or 1.0
        margins = (tfidf / length) @ self._weights[places] + self._bias  # [K]
        return float((1 / (1 + np.exp(self._slopes * margins + self._offsets))).mean())
