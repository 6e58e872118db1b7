"""Taste: what the catalogue makes of a profile, looked up once per query and used by every stage."""

from dataclasses import dataclass
from math import exp2

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue import NOBODY, Catalogue, Rows
from ranker.marks import POSITIVE, Marks
from ranker.state import Profile

INTERESTS, LIKES, SKIPS = 8, 16, 7  # videos that speak for a person, most; guesses
HALF_LIFE_MS = 3 * 86_400_000  # after this an interest counts half; a guess
FOLLOW = 2.0  # a follow speaks for a creator like two whole watches; a guess


@dataclass(frozen=True, slots=True, eq=False)
class Taste:
    """Rows and weights; videos that are unknown, withdrawn or without a vector are left out."""

    interests: Rows  # strongest first, at most 8, each an interest of its own
    strengths: NDArray[np.float32]  # of the interests, the strongest is 1
    likes: Rows  # newest last, at most 16
    skips: Rows  # newest last, at most 7
    skipped: Rows  # all remembered skips, with or without a vector
    creators: dict[int, float]  # code → whole watches of their videos; strongest first


def _rows(*rows: int) -> Rows:
    return np.array(rows, np.int32)


NO_TASTE = Taste(_rows(), np.empty(0, np.float32), _rows(), _rows(), _rows(), {})


def taste(profile: Profile, catalogue: Catalogue) -> Taste:
    """Look up what a profile remembers."""
    strengths = _interests(profile, catalogue)
    strongest = max(strengths.values(), default=1.0)
    skipped = known(profile.skips, catalogue)
    return Taste(
        _rows(*strengths),
        np.array([strength / strongest for strength in strengths.values()], np.float32),
        with_vector(known(profile.likes, catalogue), catalogue)[-LIKES:],
        with_vector(skipped, catalogue)[-SKIPS:],
        skipped,
        _creators(profile, catalogue),
    )


def known(marks: Marks, catalogue: Catalogue) -> Rows:
    """Rows of those marked videos that may be shown."""
    row_of = catalogue.row_of
    return np.array([row_of[mark.video_id] for mark in marks if mark.video_id in row_of], np.int32)


def with_vector(rows: Rows, catalogue: Catalogue) -> Rows:
    """Those rows that have a vector."""
    return rows[catalogue.has_vector[rows]]


def _interests(profile: Profile, catalogue: Catalogue) -> dict[int, float]:
    """Row → strength of the strongest interests, strongest first, ties by id."""
    newest_ms = profile.newest_ms
    strengths: dict[str, float] = {}
    for mark in profile.watches + profile.likes:
        strength = mark.weight * exp2((mark.at_ms - newest_ms) / HALF_LIFE_MS)
        if strength > strengths.get(mark.video_id, 0.0):
            strengths[mark.video_id] = strength
    best: dict[int, float] = {}
    for video_id in sorted(strengths, key=lambda video_id: (-strengths[video_id], video_id)):
        row = catalogue.row_of.get(video_id)
        if row is not None and catalogue.has_vector[row]:
            best[row] = strengths[video_id]
            if len(best) == INTERESTS:
                break
    return best


def _creators(profile: Profile, catalogue: Catalogue) -> dict[int, float]:
    """Creator → how much they were watched or followed; equally strong ones in the profile's order."""
    row_of, creators = catalogue.row_of, catalogue.creator
    strengths: dict[int, float] = {}
    for marks, worth in ((profile.follows, FOLLOW / 100), (profile.watches, 0.01)):
        for mark in marks:
            if mark.weight >= POSITIVE and mark.video_id in row_of:
                creator = int(creators[row_of[mark.video_id]])
                strengths[creator] = strengths.get(creator, 0.0) + worth * mark.weight
    strengths.pop(NOBODY, None)
    return dict(sorted(strengths.items(), key=lambda pair: -pair[1]))
