"""Counters of one person: how often they finished, liked and skipped, by surface, and how it went lately.

They hold ids, counts and times only, and are brought up to date with each event. What is counted are exposures: events
of one video and one `at_ms`, and what is said of the video afterwards before another one is met.
"""

from typing import NamedTuple

import msgspec

from ranker.profile.outcomes import FINISHED, LABELS, LIKED, MET

SURFACES = 8  # whose counts are kept; the one that was seen longest ago goes first
RECENCY = 0.15  # weight of the newest exposure in the recent rates; half the weight lies on the last four or five


class SurfaceCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Exposures on one surface, and how many of them were finished, liked, skipped."""

    surface: str
    exposures: int
    finished: int
    liked: int
    skipped: int


class Counters(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is counted of one person; `video`, `at_ms` and `bits` are of their last exposure."""

    video: int  # its 4-byte hash
    at_ms: int
    bits: int  # labels and MET, see outcomes.py
    finish_rate: float  # of late: sum of RECENCY (1 − RECENCY)ᵏ, newest first, over finished exposures
    like_rate: float
    skip_rate: float
    surfaces: tuple[SurfaceCounts, ...]  # the one of the last exposure at the end


NOTHING = Counters(0, 0, 0, 0.0, 0.0, 0.0, ())


class Counted(NamedTuple):
    """The counters after an event, and what it means for whoever learns from exposures."""

    counters: Counters
    is_first: bool  # the first event of an exposure
    labels: int  # that no earlier event of the exposure had said


def is_of_last(before: Counters, bits: int, video: int, at_ms: int) -> bool:
    """Whether an event belongs to the last exposure.

    What is said of the last video without meeting it again does, whenever it is said: a like has a time of its own.
    """
    return video == before.video and (at_ms == before.at_ms or not (bits & MET and before.bits & MET))


def count(before: Counters, bits: int, video: int, at_ms: int, surface: str, is_known: bool) -> Counted:
    """Count an event.

    bits      what it says, see outcomes.py
    is_known  whether the person met this video before: a like long after that is no exposure

    >>> counted = count(NOTHING, MET | FINISHED, 7, 1650000000000, "feed", False).counters
    >>> liked = count(counted, LIKED, 7, 1650000002000, "feed", True)
    >>> liked.is_first, liked.counters.surfaces
    (False, (SurfaceCounts(surface='feed', exposures=1, finished=1, liked=1, skipped=0),))
    """
    is_last = is_of_last(before, bits, video, at_ms)
    is_first = not is_last and (bits & MET != 0 or not is_known)
    labels = bits & LABELS & ~before.bits if is_last else bits & LABELS
    if not (is_first or labels):
        adds = is_last and bits & ~before.bits
        return Counted(msgspec.structs.replace(before, bits=before.bits | bits) if adds else before, False, 0)
    finished, liked, skipped = labels & FINISHED, (labels & LIKED) >> 1, labels >> 2
    kept = 1 - RECENCY if is_first else 1.0
    after = Counters(
        video if is_first else before.video,
        at_ms if is_first else before.at_ms,
        bits if is_first else before.bits | bits if is_last else before.bits,
        before.finish_rate * kept + RECENCY * finished,
        before.like_rate * kept + RECENCY * liked,
        before.skip_rate * kept + RECENCY * skipped,
        _counted_on(before.surfaces, surface, is_first, finished, liked, skipped),
    )
    return Counted(after, is_first, labels)


def _counted_on(
    surfaces: tuple[SurfaceCounts, ...], surface: str, is_first: bool, finished: int, liked: int, skipped: int
) -> tuple[SurfaceCounts, ...]:
    if surfaces and surfaces[-1].surface == surface:
        old, others = surfaces[-1], surfaces[:-1]
    else:
        old = next((one for one in surfaces if one.surface == surface), None) or SurfaceCounts(surface, 0, 0, 0, 0)
        others = tuple([one for one in surfaces if one.surface != surface])[1 - SURFACES :]
    counts = SurfaceCounts(
        surface, old.exposures + is_first, old.finished + finished, old.liked + liked, old.skipped + skipped
    )
    return (*others, counts)
