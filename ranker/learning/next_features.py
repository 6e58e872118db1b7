"""The features by which the next finished video is predicted, of all videos at once, as they are at a moment.

Each is a line of FEATURES: a name, and a function from a View to a number for each video. Two functions of the same
count, log(1 + n) and log(SMALL + n), let the weights bend it: how much there is, and how long ago there was any.
"""

from collections.abc import Callable
from functools import cached_property, partial
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.learning.catalogue_state import COMPANIONS, CatalogueState, Moment
from ranker.learning.engagement import HALF_LIVES_MS, IN_ALL, Engagement, Tally
from ranker.learning.fields import HOUR_MS
from ranker.learning.video_rows import UNKNOWN

Floats = NDArray[np.float32]

SMALL = 0.05  # exposures
RATE_WORTH = 5  # exposures that the overall rate is worth in a rate of few
PERSON_WORTH = 3
NEVER_HOURS = 48.0  # what a video that nobody met counts as
REMEMBERED = np.float32(0.7)  # of each video of the history, as one more follows; three have most of the weight
NEAR = np.array([0.25, 0.5, 1, 0.5, 0.25], np.float32)  # how much a duration says of those next to it


class View:
    """All videos as somebody may meet them at a moment."""

    def __init__(self, state: CatalogueState, moment: Moment) -> None:
        self.state, self.at_ms = state, moment.at_ms
        self.size = len(state)
        self._surface = moment.surface
        self._read: dict[tuple[bool, int], Floats] = {}
        self.recent = state.recent(moment)

    def exposures(self, on_surface: bool, span: int) -> Floats:
        """How often each video was met, by the place of a half-life, or IN_ALL [N]."""
        found = self._read.get((on_surface, span))
        if found is None:
            found = self._read[on_surface, span] = self._count(self._where(on_surface).exposures, span)
        return found

    def finishes(self, on_surface: bool, span: int) -> Floats:
        """How often each video was finished [N]."""
        return self._count(self._where(on_surface).finishes, span)

    @cached_property
    def cosines(self) -> tuple[Floats, Floats]:
        """Closeness to what the person met last: the sum, and the sum in which the newest counts most."""
        rows = self.recent.rows[-COMPANIONS:]
        fading = REMEMBERED ** np.arange(len(rows), dtype=np.float32)[::-1]
        together = self.state.together
        both = together.cosine(rows, np.ones(len(rows), np.float32)), together.cosine(rows, fading)
        return both[0][: self.size], both[1][: self.size]

    def _where(self, on_surface: bool) -> Engagement:
        engagement = self.state.engagement
        return engagement.on(self._surface) if on_surface else engagement.everywhere

    def _count(self, tally: Tally, span: int) -> Floats:
        return (tally.in_all if span == IN_ALL else tally.lately(span, self.at_ms))[: self.size]


class Feature(NamedTuple):
    """A feature's name, and what it is of each video."""

    name: str
    of: Callable[[View], Floats]


def amount(on_surface: bool, span: int, view: View) -> Floats:
    """How often it was met."""
    return np.log(1 + view.exposures(on_surface, span))  # np.log1p takes five times as long


def recency(on_surface: bool, span: int, view: View) -> Floats:
    """How lately it was met: falls on and on while nobody meets it."""
    found: Floats = np.log(np.float32(SMALL) + view.exposures(on_surface, span))
    return found


def finish_rate(on_surface: bool, aspect: str | None, view: View) -> Floats:
    """How far the finish rate, of each video or of all with the same code, lies above the overall one, in log-odds."""
    exposures, finishes = view.exposures(on_surface, IN_ALL), view.finishes(on_surface, IN_ALL)
    if aspect is None:
        return rate_logits(exposures, finishes)
    codes, kinds = view.state.videos.codes(aspect), view.state.videos.kinds(aspect)
    sums = (np.bincount(codes, counts, kinds).astype(np.float32) for counts in (exposures, finishes))
    return rate_logits(*sums)[codes]


def rate_logits(exposures: Floats, finishes: Floats) -> Floats:
    """How far smoothed rates lie above the overall one, in log-odds; 0 where nothing was counted.

    >>> rate_logits(np.array([10.0, 0.0]), np.array([5.0, 0.0])).tolist()
    [0.0, 0.0]
    """
    overall = float((finishes.sum() + 1) / (exposures.sum() + 2))
    finished: Floats = finishes + np.float32(RATE_WORTH * overall)
    usual = np.float32(log(overall / (1 - overall)))
    found: Floats = np.log(finished / (exposures + RATE_WORTH - finished)) - usual
    return found


def age(view: View) -> Floats:
    """For how many hours it has been met."""
    return np.log(1 + hours(view.state.since_first_ms(view.at_ms), 0.0))


def idle(view: View) -> Floats:
    """For how many hours nobody has met it."""
    return np.log(1 + hours(view.state.since_last_ms(view.at_ms), NEVER_HOURS))


def is_new(view: View) -> Floats:
    """Whether nobody met it yet."""
    return np.isnan(view.state.since_last_ms(view.at_ms)).astype(np.float32)


def hours(spans_ms: NDArray[np.float64], missing: float) -> Floats:
    """Spans in hours; NaN becomes what is missing.

    >>> hours(np.array([HOUR_MS, np.nan]), 48.0).tolist()
    [1.0, 48.0]
    """
    found = (spans_ms / HOUR_MS).astype(np.float32)
    return np.where(np.isnan(found), np.float32(missing), found)


def met_alike(aspect: str, finished_only: bool, view: View) -> Floats:
    """How many with the same code the person met last, or finished."""
    counts: Floats = np.log1p(_alike(aspect, finished_only, view))
    return counts[view.state.videos.codes(aspect)]


def share_alike(aspect: str, view: View) -> Floats:
    """What share of what the person met last has the same code."""
    shares: Floats = _alike(aspect, False, view) / np.float32(len(view.recent.rows) + PERSON_WORTH)
    return shares[view.state.videos.codes(aspect)]


def skipped_length(view: View) -> Floats:
    """How many of about this length the person met last and did not finish."""
    met, finished = _lengths(view)
    skipped: Floats = np.log1p(met - finished)
    return skipped[view.state.videos.codes("duration")]


def finished_length(view: View) -> Floats:
    """What share of those of about this length the person finished."""
    met, finished = _lengths(view)
    rates: Floats = np.log((finished + 1) * PERSON_WORTH / (met + PERSON_WORTH))
    return rates[view.state.videos.codes("duration")]


def _alike(aspect: str, finished_only: bool, view: View) -> Floats:
    rows = view.recent.rows[view.recent.is_finished] if finished_only else view.recent.rows
    videos = view.state.videos
    counts = np.bincount(videos.codes(aspect)[rows], minlength=videos.kinds(aspect)).astype(np.float32)
    counts[UNKNOWN] = 0  # two videos of which nothing is known are not alike
    return counts


def _lengths(view: View) -> tuple[Floats, Floats]:
    """How many of about each length the person met last, and how many of them they finished."""
    met, finished = (_alike("duration", finished_only, view) for finished_only in (False, True))
    return np.convolve(met, NEAR, "same"), np.convolve(finished, NEAR, "same")


SPANS = ("15 min", "1 h", "6 h", "1 day", "all time")  # the half-lives, in words, then IN_ALL
PLACES = (("", False), (" on surface", True))
FEATURES = (
    *(
        Feature(f"exposures of {span}{where}", partial(amount, on_surface, place))
        for where, on_surface in PLACES
        for place, span in zip((*range(len(HALF_LIVES_MS)), IN_ALL), SPANS, strict=True)
    ),
    *(
        Feature(f"recency of {SPANS[place]}{where}", partial(recency, on_surface, place))
        for where, on_surface in PLACES
        for place in range(len(HALF_LIVES_MS))
    ),
    Feature("finish rate", partial(finish_rate, False, None)),
    Feature("finish rate on surface", partial(finish_rate, True, None)),
    Feature("finish rate of creator", partial(finish_rate, False, "creator")),
    Feature("finish rate of tag", partial(finish_rate, False, "tag")),
    Feature("finish rate of length on surface", partial(finish_rate, True, "duration")),
    Feature("age", age),
    Feature("idle", idle),
    Feature("new", is_new),
    Feature("creator met", partial(met_alike, "creator", False)),
    Feature("creator finished", partial(met_alike, "creator", True)),
    Feature("tag met", partial(met_alike, "tag", False)),
    Feature("share of tag", partial(share_alike, "tag")),
    Feature("length not finished", skipped_length),
    Feature("length finished", finished_length),
    Feature("met together", lambda view: view.cosines[0]),
    Feature("met together lately", lambda view: view.cosines[1]),
)
NAMES = tuple(feature.name for feature in FEATURES)


def feature_table(view: View) -> Floats:
    """All features of all videos [D, N]."""
    table = np.empty((len(FEATURES), view.size), np.float32)
    for row, feature in zip(table, FEATURES, strict=True):
        row[:] = feature.of(view)
    return table
