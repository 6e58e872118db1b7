"""Cuts texts into the likeliest pieces of a large vocabulary (Kudo 2018, arXiv:1804.10959), as SentencePiece does.

The package tokenizers does the same and takes 281 MB for 250,002 pieces, where this takes 10.
"""

import io
from array import array
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from encoders.base import ModelError
from encoders.models.manifest import checked_bytes, remedy_of
from encoders.models.pieces import Pieces

SPACE = "▁"  # stands before each word, and where a text itself has it, for a space
UNKNOWN_PENALTY = 10.0  # a character without a piece is so much less likely than the least likely piece
REMEMBERED = 4096  # words; a guess


class Unigram:
    """Texts to the numbers of their pieces.

    pieces   by number; one a line
    scores   float32 [V], the logarithm of each one's probability
    unknown  number that stands for a character without a piece
    control  numbers of pieces that no text may write: the beginning, the end, the mask
    """

    def __init__(self, pieces: list[str], scores: Iterable[float], unknown: int, control: Iterable[int]) -> None:
        self._scores = array("d", scores)
        self._unknown = unknown
        self._scores[unknown] = min(self._scores) - UNKNOWN_PENALTY
        hidden = {unknown, *control}
        self._pieces = Pieces(pieces, hidden)
        space = self._pieces.get(SPACE)
        self.silent = frozenset({unknown, unknown if space is None else space})
        self._cut = lru_cache(REMEMBERED)(self._cut_word)

    @classmethod
    def read(cls, pieces: Path, scores: Path, unknown: int, control: Iterable[int]) -> "Unigram":
        """Open the two files of a model folder; a ModelError where they are damaged or do not fit each other."""
        lines = checked_bytes(pieces).decode("utf-8").split("\n")
        found = np.load(io.BytesIO(checked_bytes(scores)), allow_pickle=False)
        if found.shape != (len(lines),):
            raise ModelError(f"{scores} does not fit {pieces.name} beside it: {remedy_of(scores.parent)}.")
        return cls(lines, found.tolist(), unknown, control)

    def __call__(self, text: str, most: int) -> list[int]:
        """The pieces of a text, `most` at most.

        >>> cut = Unigram(["?", "▁", "▁a", "b", "▁ab"], [0, -3, -1, -1, -1.5], unknown=0, control=())
        >>> cut("ab b", 9), cut("ab b", 2), cut("c", 9)
        ([4, 1, 3], [4, 1], [1, 0])
        """
        found: list[int] = []
        for word in text.replace(SPACE, " ").split():
            found += self._cut(word)
            if len(found) >= most:
                return found[:most]
        return found

    def _cut_word(self, word: str) -> tuple[int, ...]:
        """The likeliest way from the beginning of a word to its end; of two that are as likely the earlier found."""
        text = SPACE + word
        best = [0.0, *[float("-inf")] * len(text)]  # logarithm of the likeliest way up to each place
        start_of, piece_of = [0] * len(best), [self._unknown] * len(best)
        for start in range(len(text)):
            before, ways = best[start], self._pieces.at(text, start)
            if not ways or ways[0][0] > start + 1:
                ways.insert(0, (start + 1, self._unknown))
            for end, piece in ways:
                score = before + self._scores[piece]
                if score > best[end]:
                    best[end], start_of[end], piece_of[end] = score, start, piece
        return _walked_back(start_of, piece_of)


def _walked_back(start_of: list[int], piece_of: list[int]) -> tuple[int, ...]:
    found, at = [], len(start_of) - 1
    while at:
        found.append(piece_of[at])
        at = start_of[at]
    return tuple(reversed(found))
