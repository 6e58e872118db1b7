"""Retrieval by a sequence model: the videos whose vectors are nearest to the vector of what a person took to lately.

Kang & McAuley 2018, "Self-attentive sequential recommendation". The model is handed in; it is asked for one person at
a time and its products have one fixed shape, so a slate does not depend on its batch.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Mask, Rows, Vectors
from ranker.catalogue.catalogue import Catalogue
from ranker.profile.history import POSITIVE
from ranker.profile.model import Profile, seen_codes
from ranker.retrieval.exact import BLOCK, NO_SCORE, TILE, products, top

Numbers = NDArray[np.int64]


class SequenceModel(Protocol):
    """What turns videos, and people by their videos, into vectors of one space."""

    @property
    def version(self) -> str:
        """Names the model."""

    @property
    def number(self) -> Mapping[str, int]:
        """Which videos it knows, from 1; 0 stands for all others."""

    @property
    def content(self) -> str:
        """Version of the retrieval vectors by which it takes videos that it does not know; empty: it takes none."""

    def person(self, numbers: Numbers, content: Vectors) -> Vectors:
        """The vector of a person [D] by their videos, oldest first [n], and [n, 256], zero where it knows the video."""

    def videos(self, numbers: Numbers, content: Vectors) -> Vectors:
        """The vectors of videos [n, D]."""


class SequenceRetrieval:
    """The videos that a sequence model expects next, among all of a catalogue."""

    def __init__(self, model: SequenceModel, catalogue: Catalogue) -> None:
        self._model, self._catalogue = model, catalogue
        self._compactions, self._size = catalogue.compactions, 0
        self._vectors: Vectors = np.zeros((0, 0), np.float32)  # by row, with room for whole tiles
        self._has_vector: Mask = np.zeros(0, np.bool_)

    def nearest(self, profiles: Sequence[Profile], size: int) -> list[Rows]:
        """The best videos that each person has not seen, best first; none for whom none of their videos is known."""
        self._catch_up()
        found = [np.empty(0, np.int32) for _ in profiles]
        if not self._size:
            return found
        people = [(place, vector) for place, one in enumerate(profiles) if (vector := self._person(one)) is not None]
        for start in range(0, len(people), BLOCK):
            block = people[start : start + BLOCK]
            for (place, _), scores in zip(block, self._scores([vector for _, vector in block]), strict=False):
                found[place] = self._best(scores, profiles[place], size)
        return found

    def _best(self, scores: Vectors, profile: Profile, size: int) -> Rows:
        seen = np.unique(seen_codes(profile))
        ((rows, _),) = top(scores[None], size + len(seen), self._catalogue.order)
        return rows[~np.isin(self._catalogue.code[rows], seen)][:size]

    def _scores(self, people: Sequence[Vectors]) -> Vectors:
        """What speaks for each row [P, S], without those that cannot come."""
        scores = products(np.stack(people), self._vectors, 0, self._size)[: len(people)]
        may_come = self._has_vector[: scores.shape[1]].copy()
        active = self._catalogue.is_active[: len(may_come)]
        may_come[: len(active)] &= active
        scores[:, ~may_come] = NO_SCORE
        return scores

    def _person(self, profile: Profile) -> Vectors | None:
        row_of, number, recent = self._catalogue.row_of, self._model.number, recent_positives(profile)
        rows = np.array([row_of.get(one, -1) for one in recent], np.int64)
        numbers = np.array([number.get(one, 0) for one in recent], np.int64)
        content = self._content(rows, numbers)
        is_known = (numbers > 0) | content.any(axis=1)
        return self._model.person(numbers[is_known], content[is_known]) if is_known.any() else None

    def _content(self, rows: Numbers, numbers: Numbers) -> Vectors:
        """Retrieval vectors of videos that the model does not know [n, 256]; zero rows of all others."""
        catalogue = self._catalogue
        content: Vectors = (
            catalogue.vectors[rows] * (catalogue.has_vector[rows] & (rows >= 0) & (numbers == 0))[:, None]
        )
        is_of_model = self._model.content and catalogue.encoder in (None, self._model.content)
        return content if is_of_model else content * 0

    def _catch_up(self) -> None:
        """Give each row that came since a vector."""
        catalogue = self._catalogue
        if self._compactions != catalogue.compactions:
            self._compactions, self._size = catalogue.compactions, 0
            self._has_vector[:] = False
        if self._size == catalogue.size:
            return
        rows = np.arange(self._size, catalogue.size)
        numbers = np.array([self._model.number.get(catalogue.ids[row], 0) for row in rows.tolist()], np.int64)
        content = self._content(rows, numbers)
        vectors = self._model.videos(numbers, content)
        self._grow(-(-catalogue.size // TILE) * TILE, vectors.shape[1])
        self._vectors[rows], self._has_vector[rows] = vectors, (numbers > 0) | content.any(axis=1)
        self._size = catalogue.size

    def _grow(self, size: int, dim: int) -> None:
        """Make room for so many rows."""
        if len(self._vectors) >= size:
            return
        vectors = np.zeros((max(size, 2 * len(self._vectors) // TILE * TILE), dim), np.float32)
        has_vector = np.zeros(len(vectors), np.bool_)
        if self._size:
            vectors[: len(self._vectors)], has_vector[: len(self._has_vector)] = self._vectors, self._has_vector
        self._vectors, self._has_vector = vectors, has_vector


def recent_positives(profile: Profile, before_ms: int | None = None) -> list[str]:
    """The videos that a profile remembers as taken to, each once, oldest first.

    before_ms  leaves out what happened then and later
    """
    newest: dict[str, int] = {}
    for mark in (*profile.watches, *profile.likes):
        if mark.weight >= POSITIVE and (before_ms is None or mark.at_ms < before_ms):
            newest[mark.video_id] = max(mark.at_ms, newest.get(mark.video_id, mark.at_ms))
    return sorted(newest, key=lambda video_id: (newest[video_id], video_id))
