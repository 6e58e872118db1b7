"""Duplicates: pairs and groups of videos that look and sound the same."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ranker.catalogue.arrays import Vectors
from ranker.library.library import VideoLibrary
from schemas.messages.videos import Encoded

MAX_LENGTH_DIFFERENCE = 0.05  # relative, between a video and its re-upload; a guess
BLOCK = 1024  # rows compared with all others in one product


class Pair(NamedTuple):
    """Two uploads that look and sound the same, the earlier one first; `alike` is the cosine by modality."""

    first: Encoded
    second: Encoded
    alike: dict[str, float]


def reuploads(library: VideoLibrary, same: Mapping[str, float]) -> list[Pair]:
    """Pairs that are the same in every modality that is evidence, and about equally long.

    same  the cosine from which on two videos are the same, by modality: pictures and sound. Equal texts are no
          evidence, since many videos share a title; nor is one sound under different pictures
    """
    candidates: dict[tuple[str, str], dict[str, float]] = {}
    for name, min_cosine in same.items():
        videos, rows = library.column(name)
        for lower, higher, cosine in pairs_above(rows, min_cosine):
            candidates.setdefault((videos[lower].video_id, videos[higher].video_id), {})[name] = round(cosine, 3)
    pairs = []
    for ids, cosines in sorted(candidates.items()):
        first, second = sorted((library.videos[video_id] for video_id in ids), key=lambda v: (v.at_ms, v.video_id))
        pairs.append(Pair(first, second, cosines))
    return [pair for pair in pairs if is_reupload(pair, same)]


def is_reupload(pair: Pair, same: Mapping[str, float]) -> bool:
    """Whether both videos have the same modalities, agree in each of them, and are about equally long."""
    first_has, second_has = ({name for name in same if name in video.vectors} for video in pair[:2])
    first_ms, second_ms = pair.first.duration_ms, pair.second.duration_ms
    if first_ms and second_ms and abs(first_ms - second_ms) > MAX_LENGTH_DIFFERENCE * max(first_ms, second_ms):
        return False
    return first_has == second_has == pair.alike.keys()


def pairs_above(rows: Vectors, min_cosine: float) -> Iterable[tuple[int, int, float]]:
    """Pairs of rows [N, D] with at least this cosine, the lower row first."""
    for start in range(0, len(rows), BLOCK):
        products = rows[start : start + BLOCK] @ rows.T
        for place, other in np.argwhere(products >= min_cosine).tolist():
            if start + place < other:
                yield start + place, other, float(products[place, other])


def groups(pairs: Sequence[Pair]) -> list[list[Encoded]]:
    """Pairs joined to groups of the same video, the earliest upload first; groups in the order of their first."""
    group_of: dict[str, list[Encoded]] = {}
    for pair in pairs:
        group, other = (group_of.setdefault(video.video_id, [video]) for video in pair[:2])
        if group is not other:
            group += other
            group_of.update((video.video_id, group) for video in other)
    distinct = {id(group): group for group in group_of.values()}
    ordered = [sorted(group, key=lambda video: (video.at_ms, video.video_id)) for group in distinct.values()]
    return sorted(ordered, key=lambda group: (group[0].at_ms, group[0].video_id))
