"""Re-uploads: pairs and groups of videos that look and sound the same."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ranker.library.library import Vectors, VideoLibrary
from schemas.messages.videos import Encoded

SAME_LENGTH = 0.05  # share by which the lengths of a video and its re-upload may differ; a guess
BLOCK = 1024  # rows compared at once with all others


class Pair(NamedTuple):
    """Two uploads of what looks and sounds the same, the earlier first; `alike` is the cosine by modality."""

    first: Encoded
    second: Encoded
    alike: dict[str, float]


def reuploads(gallery: VideoLibrary, same: Mapping[str, float]) -> list[Pair]:
    """Pairs that are the same in every modality that is evidence, and that are about equally long.

    same  the cosine from which on two videos are the same, by modality: pictures and sound. A text is no evidence,
          since many videos share a title; nor is a sound under other pictures
    """
    candidates: dict[tuple[str, str], dict[str, float]] = {}
    for name, least in same.items():
        videos, rows = gallery.column(name)
        for one, other, alike in pairs_above(rows, least):
            candidates.setdefault((videos[one].video_id, videos[other].video_id), {})[name] = round(alike, 3)
    pairs = []
    for ids, cosines in sorted(candidates.items()):
        first, second = sorted((gallery.videos[video_id] for video_id in ids), key=lambda v: (v.at_ms, v.video_id))
        pairs.append(Pair(first, second, cosines))
    return [pair for pair in pairs if is_reupload(pair, same)]


def is_reupload(pair: Pair, same: Mapping[str, float]) -> bool:
    """Whether both videos have picture, sound or both, the same in each, and their lengths agree."""
    one_has, other_has = ({name for name in same if name in video.vectors} for video in pair[:2])
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
