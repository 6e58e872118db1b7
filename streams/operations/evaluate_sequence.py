"""What a sequence model says of a person's next finish, by what their profile remembers at that moment."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ranker.profile.model import Profile
from ranker.retrieval.sequence import SequenceModel, recent_positives

Floats = NDArray[np.float32]
NO_CONTENT = np.zeros((1, 256), np.float32)  # only videos that the model has a number for are scored


class SequenceScores:
    """Scores all videos for a person, by their rows; those that the model does not know stand last."""

    def __init__(self, model: SequenceModel, profile_of: Callable[[str], Profile]) -> None:
        self._model, self._profile_of = model, profile_of
        numbers = np.arange(1, len(model.number) + 1)
        self._vectors = model.videos(numbers, NO_CONTENT.repeat(len(numbers), axis=0))  # [V, D]
        self._number: list[int] = []  # by row

    def put(self, row: int, video_id: str) -> None:
        """Make a video known under its row; rows come in order, and again."""
        if row == len(self._number):
            self._number.append(self._model.number.get(video_id, 0))

    def scores(self, user_id: str, at_ms: int, size: int) -> Floats:
        """What speaks for each video [N]; −∞ for all where no video of the person is known."""
        found = np.full(size, -np.inf, np.float32)
        before = recent_positives(self._profile_of(user_id), at_ms)
        numbers = np.array([number for one in before if (number := self._model.number.get(one))], np.int64)
        if len(numbers):
            person = self._model.person(numbers, NO_CONTENT.repeat(len(numbers), axis=0))
            rows = np.array(self._number[:size], np.int64)
            found[rows > 0] = self._vectors[rows[rows > 0] - 1] @ person
        return found
