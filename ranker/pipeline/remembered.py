"""What a profile remembers that a stage went by: the events behind an explanation."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ranker.catalogue.catalogue import Catalogue
from ranker.pipeline.filters import outside_scope
from ranker.profile.model import Profile

LISTS = {"watches": "watched", "likes": "liked", "follows": "followed", "skips": "skipped"}


class Remembered(NamedTuple):
    """One thing that a person did with a video: watched, liked (also saved, shared, …), followed, skipped or hid it."""

    did: str
    video_id: str
    at_ms: int


def remembered(profile: Profile, video_ids: Iterable[str]) -> list[Remembered]:
    """What a profile remembers of some videos, oldest first."""
    wanted = frozenset(video_ids)
    found = [
        Remembered(did, one.video_id, one.at_ms)
        for name, did in LISTS.items()
        for one in getattr(profile, name)
        if one.video_id in wanted
    ]
    hides = [Remembered("hid", one.video_id, one.at_ms) for one in profile.hides if one.video_id in wanted]
    return sorted(found + hides, key=lambda one: (one.at_ms, one.video_id, one.did))


def hidden_with(profile: Profile, row: int, catalogue: Catalogue) -> Iterator[str]:
    """The hidden videos whose creator or tags a row of the catalogue is hidden for."""
    rows = np.array([row], np.int32)
    for hide in profile.hides:
        if hide.video_id in catalogue.row_of and not outside_scope(hide, rows, catalogue).all():
            yield hide.video_id
