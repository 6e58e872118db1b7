"""Automatic tags: the labels that fit a video well enough, and the topics that a text is near to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.base import Encoder, TextModelName, Vectors
from schemas.messages.plain_text import comparable

Shares = NDArray[np.float32]

MAX_TOPICS = 2  # of one text
# MiniLM's is a guess; from e5's on 80 % of the tags are right, of titles that were left out of the learning
# (`python -m tests.bench.topics --fit`).
MIN_TOPIC_COSINES: dict[TextModelName, float] = {"minilm": 0.30, "e5": 0.285, "multilingual": 0.32}
LEARNED: dict[TextModelName, Path] = {  # made by the same command
    "e5": Path(__file__).with_name("topics-e5.npz"),
    "multilingual": Path(__file__).with_name("topics-multilingual.npz"),
}

TOPICS = {  # by descriptions, because a single word is near to too few texts
    "animals": "animals, pets, cats, dogs, wildlife",
    "beauty": "makeup, hair and beauty tutorial",
    "books": "books, reading and literature",
    "business": "business, money, finance and career",
    "cars": "cars, motorcycles and driving",
    "comedy": "comedy, funny pranks and jokes",
    "crafts": "crafts, do it yourself, woodworking",
    "dance": "dance, choreography",
    "education": "education, lesson, how it works explained",
    "family": "family, babies, children, parenting",
    "fashion": "fashion, clothes, outfits and style",
    "film": "film, cinema, series, trailer",
    "fitness": "fitness, workout, gym, yoga",
    "food": "food, cooking, recipe, restaurant",
    "football": "football, soccer, goals, match",
    "games": "video games, gaming, gameplay",
    "garden": "gardening, plants and flowers",
    "health": "health, medicine and wellbeing",
    "history": "history, war, ancient times",
    "music": "music, song, band, concert, instrument",
    "nature": "nature, landscape, mountains, ocean",
    "news": "news, politics, elections",
    "science": "science, space, physics, biology",
    "sport": "sport, competition, athletes, training",
    "technology": "technology, computers, phones, software",
    "travel": "travel, holiday, city trip, sights",
}


@dataclass(frozen=True, eq=False)
class Topics:
    """Topics of a text: those that are nearest to it (zero-shot, by descriptions: Yin et al. 2019, arXiv:1909.00161).

    vectors  float32 [T, 384], one row a name
    """

    names: tuple[str, ...]
    vectors: Vectors

    @classmethod
    def of(cls, encoder: Encoder[str], topics: Mapping[str, str] = TOPICS) -> "Topics":
        """Encode the descriptions once."""
        return cls(tuple(topics), encoder.encode(list(topics.values())))

    @classmethod
    def read(cls, path: Path) -> "Topics":
        """Those that were learned from descriptions and titles."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(tuple(stored["names"].tolist()), stored["vectors"])

    def cosines(self, text: Vectors) -> Shares:
        """Float32 [N, T] of the rows of [N, 384]; row by row, since the bits of one product depend on the batch."""
        rows = [self.vectors @ row for row in text]
        return np.stack(rows) if rows else np.zeros((0, len(self.names)), np.float32)


def built_in_topics(model: TextModelName) -> Topics | Mapping[str, str]:
    """The topics as they were learned for a text model, else their descriptions."""
    return Topics.read(LEARNED[model]) if model in LEARNED else TOPICS


def above(names: Sequence[str], shares: Shares, min_share: float, max_count: int) -> dict[str, float]:
    """The names with the highest shares of at least `min_share`, highest first, ties by name, in thousandths.

    >>> above(["cat", "dog", "car"], np.array([0.2, 0.7, 0.1], np.float32), 0.15, max_count=5)
    {'dog': 0.7, 'cat': 0.2}
    """
    reached = [
        (-round(float(shares[place]), 3), names[place]) for place in np.flatnonzero(shares >= min_share).tolist()
    ]
    return {name: -share for share, name in sorted(reached)[:max_count]}


def merged(given: Iterable[str], *found: Iterable[str]) -> list[str]:
    """The creator's tags first, then the found ones that are not among them, compared without case and letter forms.

    >>> merged(["\\uff23ats", "Sofa"], ["cats", "sofa"])
    ['\uff23ats', 'Sofa']
    """
    tags: dict[str, str] = {}
    for tag in chain(given, *found):
        tags.setdefault(comparable(tag), tag)
    return list(tags.values())
