"""Counters of one person: how often they finished, liked and skipped, by surface, and how it went lately.

They hold ids, counts and times only, and are brought up to date with each event. What is counted are exposures: events
of one video and one `at_ms`, and what is said of the video afterwards before another one is met.
"""

import msgspec

from ranker.profile.outcomes import FINISHED, LABELS, LIKED, MET, SKIPPED

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


class Counted(msgspec.Struct, frozen=True, gc=False):
    """The counters after an event, and what it means for whoever learns from exposures."""

    counters: Counters
    is_first: bool  # the first event of an exposure
    labels: int  # that no earlier event of the exposure had said, and not each of their exposures has


def count(before: Counters, bits: int, video: int, at_ms: int, surface: str, is_known: bool) -> Counted:
    """Count an event. It is one function, and asks for little, since it is called for every event.

    What is said of the last video without meeting it again belongs to the last exposure, whenever it is said: a like
    has a time of its own.

    bits      what it says, see outcomes.py
    is_known  whether the person met this video before: a like long after that is no exposure

    >>> counted = count(NOTHING, MET | FINISHED, 7, 1650000000000, "feed", False).counters
    >>> liked = count(counted, LIKED, 7, 1650000002000, "feed", True)
    >>> liked.is_first, liked.counters.surfaces
    (False, (SurfaceCounts(surface='feed', exposures=1, finished=1, liked=1, skipped=0),))
    """
    last_bits, kept = before.bits, 1.0
    is_last = video == before.video and (at_ms == before.at_ms or not bits & last_bits & MET)
    is_first = not is_last and (bits & MET != 0 or not is_known)
    labels = bits & LABELS & ~last_bits if is_last else bits & LABELS
    if is_first:
        last_bits, kept = bits, 1 - RECENCY
    else:
        if is_last:
            last_bits |= bits
        if not labels:
            same = before if last_bits == before.bits else msgspec.structs.replace(before, bits=last_bits)
            return Counted(same, False, 0)
        video, at_ms = before.video, before.at_ms
    finished, liked, skipped = labels & FINISHED, (labels & LIKED) >> 1, labels >> 2
    surfaces = before.surfaces
    if surfaces and surfaces[-1].surface == surface:
        old, others = surfaces[-1], surfaces[:-1]
    else:
        old, others = _with_others(surfaces, surface)
    here = SurfaceCounts(
        surface, old.exposures + is_first, old.finished + finished, old.liked + liked, old.skipped + skipped
    )
    finish_rate = before.finish_rate * kept + RECENCY * finished
    like_rate = before.like_rate * kept + RECENCY * liked
    skip_rate = before.skip_rate * kept + RECENCY * skipped
    after = Counters(video, at_ms, last_bits, finish_rate, like_rate, skip_rate, (*others, here))
    return Counted(after, is_first, labels if is_first else labels & ~exhausted(before))


def _with_others(surfaces: tuple[SurfaceCounts, ...], surface: str) -> tuple[SurfaceCounts, tuple[SurfaceCounts, ...]]:
    """The counts of a surface, and those of the others that are kept beside it."""
    old, others = SurfaceCounts(surface, 0, 0, 0, 0), []
    for one in surfaces:
        if one.surface == surface:
            old = one
        else:
            others.append(one)
    return old, tuple(others[1 - SURFACES :])


def exhausted(counters: Counters) -> int:
    """The labels, as bits, that were counted as often as exposures: another one can be of none of these.

    >>> exhausted(count(NOTHING, LIKED, 7, 1650000000000, "feed", False).counters) == LIKED
    True
    """
    if not counters.surfaces:
        return 0
    exposures = sum(one.exposures for one in counters.surfaces)
    finished = sum(one.finished for one in counters.surfaces) >= exposures
    liked = sum(one.liked for one in counters.surfaces) >= exposures
    skipped = sum(one.skipped for one in counters.surfaces) >= exposures
    return FINISHED * finished | LIKED * liked | SKIPPED * skipped
