"""Described videos with all their vectors, for the questions of people: search, similar videos, re-uploads, playlists.

Exact products over what fits into memory; the agents' own retrieval is the index's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.entry import vector_of
from ranker.index import Where
from schemas.messages.videos import Encoded, Features, Withdrawn

Vectors = NDArray[np.float32]

RETRIEVAL = "retrieval"
SAME = {"image": 0.97, "audio": 0.97}  # cosines from which on two videos have the same picture, the same sound
SAME_LENGTH = 0.05  # share by which the lengths of a video and its re-upload may differ; a guess
BLOCK = 1024  # rows compared at once with all others


class Hit(NamedTuple):
    """A video that was found; `score` is a cosine."""

    video: Encoded
    score: float


class Pair(NamedTuple):
    """Two uploads of what looks and sounds the same, the earlier first; `alike` is the cosine by modality."""

    first: Encoded
    second: Encoded
    alike: dict[str, float]


@dataclass
class Gallery:
    """The newest record of each video: described, or withdrawn."""

    videos: dict[str, Encoded] = field(default_factory=dict)
    withdrawn: dict[str, Withdrawn] = field(default_factory=dict)
    overtaken: set[str] = field(default_factory=set)  # whose last record is older than one before it
    _columns: dict[str, tuple[list[Encoded], Vectors]] = field(default_factory=dict)

    def take(self, records: Iterable[Features]) -> None:
        """Take in records of features.v1, in their order; what is older than what is known changes nothing."""
        self._columns.clear()
        for one in records:
            known = self.videos.get(one.video_id) or self.withdrawn.get(one.video_id)
            self.overtaken.discard(one.video_id)
            if known is not None and one.at_ms < known.at_ms:
                self.overtaken.add(one.video_id)
                continue
            if isinstance(one, Encoded):
                self.withdrawn.pop(one.video_id, None)
                self.videos[one.video_id] = one
            else:
                self.videos.pop(one.video_id, None)
                self.withdrawn[one.video_id] = one

    def newest(self, video_id: str) -> Features:
        """What is known of a video; a KeyError where nothing is."""
        return self.videos.get(video_id) or self.withdrawn[video_id]

    def column(self, name: str) -> tuple[list[Encoded], Vectors]:
        """The videos that have a vector of this name, by id, and these vectors [N, D] of norm 1.

        Of several encoder versions only the commonest counts: vectors of two versions are not compared.
        """
        if name not in self._columns:
            self._columns[name] = self._made(name)
        return self._columns[name]

    def _made(self, name: str) -> tuple[list[Encoded], Vectors]:
        has = [video for _, video in sorted(self.videos.items()) if name in video.vectors]
        versions = [(video.vectors[name].encoder, video.vectors[name].dim) for video in has]
        if not versions:
            return [], np.zeros((0, 0), np.float32)
        version = max(sorted(set(versions)), key=versions.count)
        rows = [
            (video, row)
            for video, of in zip(has, versions, strict=True)
            if of == version and (row := vector_of(video.vectors[name], version[1])) is not None
        ]
        return [video for video, _ in rows], np.array([row for _, row in rows], np.float32).reshape(-1, version[1])

    def near(self, vector: Vectors, name: str, k: int, where: Where | None = None) -> list[Hit]:
        """The k videos whose vector of this name is nearest to [D], best first, ties by id."""
        videos, rows = self.column(name)
        if not videos:
            return []
        if rows.shape[1:] != vector.shape:
            raise ValueError(f"near: got {len(vector)} dimensions, the videos' {name} vectors have {rows.shape[1]}.")
        scores = rows @ vector
        fits = admits(where)
        best = sorted(
            (-float(scores[place]), video.video_id, video) for place, video in enumerate(videos) if fits(video)
        )
        return [Hit(video, -score) for score, _, video in best[:k]]

    def similar(self, video_id: str, name: str, k: int, where: Where | None = None) -> list[Hit]:
        """The k videos nearest to one of them; a KeyError where it has no such vector."""
        videos, rows = self.column(name)
        place = {video.video_id: place for place, video in enumerate(videos)}[video_id]
        return [hit for hit in self.near(rows[place], name, k + 1, where) if hit.video.video_id != video_id][:k]

    def reuploads(self) -> list[Pair]:
        """Pairs whose pictures and sounds are the same, and that are about equally long.

        A text alone is no evidence, since many videos share a title; nor is a sound under other pictures.
        """
        candidates: dict[tuple[str, str], dict[str, float]] = {}
        for name, least in SAME.items():
            videos, rows = self.column(name)
            for one, other, alike in pairs_above(rows, least):
                candidates.setdefault((videos[one].video_id, videos[other].video_id), {})[name] = round(alike, 3)
        pairs = []
        for ids, cosines in sorted(candidates.items()):
            first, second = sorted((self.videos[video_id] for video_id in ids), key=lambda v: (v.at_ms, v.video_id))
            pairs.append(Pair(first, second, cosines))
        return [pair for pair in pairs if is_reupload(pair)]


def is_reupload(pair: Pair) -> bool:
    """Whether both videos have picture, sound or both, the same in each, and their lengths agree."""
    one_has, other_has = ({name for name in SAME if name in video.vectors} for video in pair[:2])
    one_ms, other_ms = pair.first.duration_ms, pair.second.duration_ms
    if one_ms and other_ms and abs(one_ms - other_ms) > SAME_LENGTH * max(one_ms, other_ms):
        return False
    return one_has == other_has == pair.alike.keys()


def pairs_above(rows: Vectors, least: float) -> Iterable[tuple[int, int, float]]:
    """Pairs of rows [N, D] whose product reaches the least, the lower row first."""
    for start in range(0, len(rows), BLOCK):
        products = rows[start : start + BLOCK] @ rows.T
        for place, other in np.argwhere(products >= least).tolist():
            if start + place < other:
                yield start + place, other, float(products[place, other])


def admits(where: Where | None) -> Callable[[Encoded], bool]:
    """Whether a video meets the conditions."""
    if where is None:
        return lambda _: True
    after_ms = where.not_before_ms or 0

    def fits(video: Encoded) -> bool:
        return (
            (not where.languages or video.language in where.languages)
            and (not where.categories or video.category in where.categories)
            and video.at_ms >= after_ms
            and video.video_id not in where.exclude
        )

    return fits


def groups(pairs: Sequence[Pair]) -> list[list[Encoded]]:
    """Pairs joined to groups of the same video, the earliest upload first; groups by their first."""
    group_of: dict[str, list[Encoded]] = {}
    for pair in pairs:
        one, other = (group_of.setdefault(video.video_id, [video]) for video in pair[:2])
        if one is not other:
            one += other
            group_of.update((video.video_id, one) for video in other)
    found = {id(group): group for group in group_of.values()}
    ordered = [sorted(group, key=lambda video: (video.at_ms, video.video_id)) for group in found.values()]
    return sorted(ordered, key=lambda group: (group[0].at_ms, group[0].video_id))
