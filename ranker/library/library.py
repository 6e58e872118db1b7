"""The library: all encoded videos with all their vectors, for search, similar videos, re-uploads and playlists.

Exact products over what fits into memory; the agents retrieve candidates by an index instead.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.retrieval.index import SearchFilter
from schemas.messages.plain_text import language_code
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import CatalogueRecord, Encoded, Withdrawn

Vectors = NDArray[np.float32]

RETRIEVAL = "retrieval"


class Hit(NamedTuple):
    """One result of a search; `score` is a cosine."""

    video: Encoded
    score: float


@dataclass
class VideoLibrary:
    """The newest record of each video, encoded or withdrawn."""

    videos: dict[str, Encoded] = field(default_factory=dict)
    withdrawn: dict[str, Withdrawn] = field(default_factory=dict)
    overtaken: set[str] = field(default_factory=set)  # their last record is older than one before it
    _columns: dict[str, tuple[list[Encoded], Vectors]] = field(default_factory=dict)

    def take(self, records: Iterable[CatalogueRecord]) -> None:
        """Apply records of features.v1 in their order; one that is older than the known one changes nothing."""
        self._columns.clear()
        for record in records:
            known = self.videos.get(record.video_id) or self.withdrawn.get(record.video_id)
            self.overtaken.discard(record.video_id)
            if known is not None and record.at_ms < known.at_ms:
                self.overtaken.add(record.video_id)
                continue
            if isinstance(record, Encoded):
                self.withdrawn.pop(record.video_id, None)
                self.videos[record.video_id] = record
            else:
                self.videos.pop(record.video_id, None)
                self.withdrawn[record.video_id] = record

    def newest(self, video_id: str) -> CatalogueRecord:
        """The newest record of a video; raises KeyError for an unknown one."""
        return self.videos.get(video_id) or self.withdrawn[video_id]

    def column(self, name: str) -> tuple[list[Encoded], Vectors]:
        """The videos that have a vector of this name, by id, and these vectors [N, D] of norm 1.

        Only vectors of the most common encoder version are used: vectors of two versions cannot be compared.
        """
        if name not in self._columns:
            self._columns[name] = self._build_column(name)
        return self._columns[name]

    def _build_column(self, name: str) -> tuple[list[Encoded], Vectors]:
        has = [video for _, video in sorted(self.videos.items()) if name in video.vectors]
        versions = [(video.vectors[name].encoder, video.vectors[name].dim) for video in has]
        if not versions:
            return [], np.zeros((0, 0), np.float32)
        version = max(sorted(set(versions)), key=versions.count)
        rows = [
            (video, row)
            for video, of in zip(has, versions, strict=True)
            if of == version and (row := decode_vector(video.vectors[name], version[1])) is not None
        ]
        return [video for video, _ in rows], np.array([row for _, row in rows], np.float32).reshape(-1, version[1])

    def near(self, vector: Vectors, name: str, k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The k videos whose vector of this name is nearest to [D], best first, ties by id."""
        videos, rows = self.column(name)
        if not videos:
            return []
        if rows.shape[1:] != vector.shape:
            raise ValueError(f"near: got {len(vector)} dimensions, the videos' {name} vectors have {rows.shape[1]}.")
        scores = rows @ vector
        allows = admits(where)
        best = sorted(
            (-float(scores[place]), video.video_id, video) for place, video in enumerate(videos) if allows(video)
        )
        return [Hit(video, -score) for score, _, video in best[:k]]

    def similar(self, video_id: str, name: str, k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The k videos nearest to one of them; raises KeyError if it has no such vector."""
        videos, rows = self.column(name)
        place = {video.video_id: place for place, video in enumerate(videos)}[video_id]
        return [hit for hit in self.near(rows[place], name, k + 1, where) if hit.video.video_id != video_id][:k]


def admits(where: SearchFilter | None) -> Callable[[Encoded], bool]:
    """A function that says whether a filter allows a video."""
    if where is None:
        return lambda _: True
    after_ms, languages = where.not_before_ms or 0, set(map(language_code, where.languages))

    def allows(video: Encoded) -> bool:
        return (
            (not where.languages or language_code(video.language) in languages)
            and (not where.categories or video.category in where.categories)
            and video.at_ms >= after_ms
            and video.video_id not in where.exclude
        )

    return allows
