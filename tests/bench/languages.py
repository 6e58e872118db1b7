"""What an English text model makes of other languages: `python -m tests.bench.languages`.

A translation is found when the nearest of the forty English titles is its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from encoders.base import Vectors
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import TOKENIZER
from encoders.models.manifest import checked_bytes, folder_of
from tests.bench.ground import Ground
from tests.bench.titles import ENGLISH, NAMES, titles

UNKNOWN = "[UNK]"


class Understood(NamedTuple):
    """How near translations come to their originals; shares and means over the titles."""

    found: float  # the nearest original is its own
    own: float  # cosine to it
    others: float  # cosine to all the others
    themselves: float  # cosine of unrelated titles in the same language
    tokens: float  # a title
    unknown: float  # of the tokens


def understood(originals: Vectors, translated: Vectors, pieces: list[list[str]]) -> Understood:
    """Compare translations with their originals, both [N, D], the same title at the same place."""
    cosines = translated @ originals.T
    own = np.diagonal(cosines)
    found = cosines.argmax(axis=1) == np.arange(len(cosines))
    count = sum(map(len, pieces))
    unknown = sum(piece == UNKNOWN for row in pieces for piece in row) / count
    themselves = _unrelated(translated @ translated.T)
    return Understood(found.mean(), own.mean(), _unrelated(cosines), themselves, count / len(pieces), unknown)


def _unrelated(cosines: Vectors) -> float:
    """The mean of [N, N] beside the diagonal."""
    return float((cosines.sum() - np.trace(cosines)) / (cosines.size - len(cosines)))


def measured(models: Path, by_language: Mapping[str, list[str]]) -> dict[str, Understood]:
    encoder = TextEncoder(models, model="minilm", provider="cpu")
    tokenizer = Tokenizer.from_buffer(checked_bytes(models / TOKENIZER))
    tokenizer.no_padding()
    originals = encoder.encode(by_language[ENGLISH])
    return {
        language: understood(
            originals,
            encoder.encode(by_language[language]),
            [tokenizer.encode(title, add_special_tokens=False).tokens for title in by_language[language]],
        )
        for language in NAMES
    }


def told(found: Mapping[str, Understood]) -> str:
    """The figures as Markdown."""
    rows = [
        f"| {NAMES[language]} | {one.found:.0%} | {one.own:.2f} | {one.others:.2f} | {one.themselves:.2f} "
        f"| {one.tokens:.1f} | {one.unknown:.1%} |"
        for language, one in found.items()
    ]
    cosines = "cosine to its own | to the others | to unrelated ones of its language"
    header = f"| titles in | its own is nearest | {cosines} | tokens a title | [UNK] |"
    return "\n".join([header, f"|{'---|' * 7}", *rows])


def main() -> None:
    by_language = titles()
    print(f"{len(by_language[ENGLISH])} titles; by chance {1 / len(by_language[ENGLISH]):.1%} find their own.\n")
    print(told(measured(folder_of(Ground.defaults().cache_dir), by_language)))


if __name__ == "__main__":
    main()
