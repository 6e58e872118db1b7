"""The library: all encoded videos with all their vectors, for search, similar videos, re-uploads and playlists.

Exact products over what fits into memory; the agents retrieve candidates by an index instead.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np

from ranker.catalogue.arrays import Vectors
from ranker.retrieval.index import SearchFilter
from schemas.messages.plain_text import language_code
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import RETRIEVAL as RETRIEVAL
from schemas.messages.videos import CatalogueRecord, Encoded, Withdrawn

REBUILD_SHARE = 4  # a column of which more than a quarter changed is built from all videos


class Hit(NamedTuple):
    """One result of a search; `score` is a cosine, `by` the name of the vectors where there were several."""

    video: Encoded
    score: float
    by: str = ""


class Column(NamedTuple):
    """The vectors of one name: videos by id, rows [N, D] of norm 1, the encoder that all are of, None: of several."""

    ids: list[str]
    videos: list[Encoded]
    rows: Vectors
    encoder: tuple[str, int] | None


@dataclass
class VideoLibrary:
    """The newest record of each video, encoded or withdrawn."""

    videos: dict[str, Encoded] = field(default_factory=dict)
    withdrawn: dict[str, Withdrawn] = field(default_factory=dict)
    overtaken: set[str] = field(default_factory=set)  # their last record is older than one before it
    _columns: dict[str, Column] = field(default_factory=dict)
    _changed: dict[str, set[str]] = field(default_factory=dict)  # by column, the videos whose rows it has not yet

    def take(self, records: Iterable[CatalogueRecord]) -> None:
        """Apply records of features.v1 in their order; one that is older than the known one changes nothing."""
        taken = list(records)
        for changed in self._changed.values():
            changed.update(record.video_id for record in taken)
        for record in taken:
            known = self.videos.get(record.video_id) or self.withdrawn.get(record.video_id)
            self.overtaken.discard(record.video_id)
            if known is not None and record.at_ms < known.at_ms:
                self.overtaken.add(record.video_id)
                continue
            if isinstance(record, Encoded):
                self.withdrawn.pop(record.video_id, None)
                self.videos[record.video_id] = self._keep(record)
            else:
                if self.videos.pop(record.video_id, None) is not None:
                    self._drop(record.video_id)
                self.withdrawn[record.video_id] = record

    def _keep(self, record: Encoded) -> Encoded:
        """What is held of a record; a library that has its vectors elsewhere holds it without them."""
        return record

    def _drop(self, video_id: str) -> None:
        """A video is held no longer."""

    def newest(self, video_id: str) -> CatalogueRecord:
        """The newest record of a video; raises KeyError for an unknown one."""
        return self.videos.get(video_id) or self.withdrawn[video_id]

    def column(self, name: str) -> tuple[list[Encoded], Vectors]:
        """The videos that have a vector of this name, by id, and these vectors [N, D] of norm 1.

        Only vectors of the most common encoder version are used: vectors of two versions cannot be compared.
        """
        found = self._current(name)
        return found.videos, found.rows

    def place(self, video_id: str, name: str) -> int | None:
        """The row of a video among the vectors of this name; None where it has none."""
        ids = self._current(name).ids
        place = bisect_left(ids, video_id)
        return place if ids[place : place + 1] == [video_id] else None

    def _current(self, name: str) -> Column:
        known, changed = self._columns.get(name), self._changed.get(name, set())
        if known is None or changed:
            updated = None if known is None else self._updated(known, name, changed)
            known = self._columns[name] = updated or self._build_column(name)
            self._changed[name] = set()
        return known

    def _updated(self, known: Column, name: str, changed: Set[str]) -> Column | None:
        """The column with other rows for the changed videos; None where it has to be built from all videos.

        Copying a matrix of 100,000 rows takes some tens of milliseconds, decoding it ten times as long.
        """
        if known.encoder is None or len(changed) > len(known.ids) // REBUILD_SHARE:
            return None
        has = [self.videos[one] for one in sorted(changed) if one in self.videos and name in self.videos[one].vectors]
        if any((video.vectors[name].encoder, video.vectors[name].dim) != known.encoder for video in has):
            return None
        places = [(bisect_left(known.ids, one), one) for one in sorted(changed)]
        gone = [place for place, one in places if known.ids[place : place + 1] == [one]]
        ids, videos = known.ids.copy(), known.videos.copy()
        for place in reversed(gone):
            del ids[place], videos[place]
        new = [(video, row) for video in has if (row := _row_of(video, name)) is not None]
        at = [bisect_left(ids, video.video_id) for video, _ in new]
        rows = np.delete(known.rows, gone, axis=0) if gone else known.rows
        rows = np.insert(rows, at, np.array([row for _, row in new]), axis=0) if new else rows
        for place, (video, _) in reversed([*zip(at, new, strict=True)]):
            ids.insert(place, video.video_id)
            videos.insert(place, video)
        return Column(ids, videos, rows, known.encoder)

    def _build_column(self, name: str) -> Column:
        has = [video for _, video in sorted(self.videos.items()) if name in video.vectors]
        versions = [(video.vectors[name].encoder, video.vectors[name].dim) for video in has]
        if not versions:
            return Column([], [], np.zeros((0, 0), np.float32), None)
        counts = Counter(versions)
        version = min(counts, key=lambda one: (-counts[one], one))
        found = [
            (video, row)
            for video, of in zip(has, versions, strict=True)
            if of == version and (row := _row_of(video, name)) is not None
        ]
        videos = [video for video, _ in found]
        rows = np.array([row for _, row in found], np.float32).reshape(-1, version[1])
        return Column([video.video_id for video in videos], videos, rows, version if len(counts) == 1 else None)

    def near(self, vector: Vectors, name: str, k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The k videos whose vector of this name is nearest to [D], best first, ties by id."""
        videos, rows = self.column(name)
        if not videos:
            return []
        if rows.shape[1:] != vector.shape:
            raise ValueError(f"near: got {len(vector)} dimensions, the videos' {name} vectors have {rows.shape[1]}.")
        scores, allows = rows @ vector, admits(where)
        best = np.argsort(-scores, kind="stable").tolist()  # of equal ones the first, and they are ordered by id
        allowed = (place for place in best if allows(videos[place]))
        return [Hit(videos[place], float(scores[place])) for place in islice(allowed, k)]

    def similar(self, video_id: str, name: str, k: int, where: SearchFilter | None = None) -> list[Hit]:
        """The k videos nearest to one of them; raises KeyError if it has no such vector."""
        place = self.place(video_id, name)
        if place is None:
            raise KeyError(video_id)
        hits = self.near(self.column(name)[1][place], name, k + 1, where)
        return [hit for hit in hits if hit.video.video_id != video_id][:k]


def _row_of(video: Encoded, name: str) -> Vectors | None:
    vector = video.vectors[name]
    return decode_vector(vector, vector.dim)


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
