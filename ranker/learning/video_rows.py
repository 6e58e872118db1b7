"""Videos by row, with what they are as columns of codes, so that all of them are compared with a person at once."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.entry import VideoFacts
from ranker.learning.columns import grown
from ranker.learning.fields import LONGEST_BUCKET, duration_bucket

Codes = NDArray[np.int64]

NAMED = ("creator", "tag", "music")  # aspects whose values are names
ASPECTS = (*NAMED, "duration")  # what each video has one code of
UNKNOWN = 0  # code of what is not known
GROWTH = 4096  # rows by which columns grow


class VideoRows:
    """Videos in the order in which they were named first; a video keeps its row."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._row_of: dict[str, int] = {}
        self._facts: list[VideoFacts] = []
        self._codes: dict[str, dict[str | None, int]] = {aspect: {None: UNKNOWN} for aspect in NAMED}
        self._columns: dict[str, Codes] = {aspect: np.zeros(0, np.int64) for aspect in ASPECTS}

    def __len__(self) -> int:
        """How many videos there are."""
        return len(self.ids)

    @property
    def row_of(self) -> Mapping[str, int]:
        """The row of each video."""
        return MappingProxyType(self._row_of)

    @property
    def room(self) -> int:
        """How many videos the columns have room for; columns elsewhere are as long."""
        return len(self._columns["duration"])

    def put(self, video_id: str, facts: VideoFacts) -> int:
        """The row of a video, a new one where it has none; these are its facts from now on."""
        row = self._row_of.get(video_id)
        if row is None:
            row = self._row_of[video_id] = len(self.ids)
            self.ids.append(video_id)
            self._facts.append(VideoFacts())
            if row >= self.room:
                self._grow()
        if self._facts[row] != facts:
            self._facts[row] = facts
            self._describe(row, facts)
        return row

    def codes(self, aspect: str) -> Codes:
        """The code of each video for an aspect [N]."""
        return self._columns[aspect][: len(self)]

    def kinds(self, aspect: str) -> int:
        """How many codes an aspect has."""
        return LONGEST_BUCKET + 2 if aspect == "duration" else len(self._codes[aspect])

    def _describe(self, row: int, facts: VideoFacts) -> None:
        for aspect, name in zip(NAMED, (facts.creator, facts.tag, facts.music), strict=True):
            codes = self._codes[aspect]
            self._columns[aspect][row] = codes.setdefault(name, len(codes))
        self._columns["duration"][row] = 1 + duration_bucket(facts.duration_ms)

    def _grow(self) -> None:
        size = self.room + max(GROWTH, self.room // 2)
        self._columns = {aspect: grown(column, size) for aspect, column in self._columns.items()}
