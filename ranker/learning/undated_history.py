"""Undated histories: what people met before a log begins, without times and surfaces, as counters to begin with.

A history does not say what was skipped. Of what was not finished a usual share is counted as skipped, so that it says
of skips what it says of finishes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from ranker.catalogue.entry import VideoFacts
from ranker.learning.features import RATED, USUAL_RATES, Floats
from ranker.learning.fields import FIELDS, Exposure
from ranker.learning.parameters import Parameters
from ranker.profile.counters import RECENCY, Counters, SurfaceCounts
from ranker.profile.outcomes import FINISHED, HEADS, LIKED, MET
from schemas.messages.fields import AtMs, UserId, VideoId

NO_SURFACE = ""
SKIPPED_OF_UNFINISHED = float(USUAL_RATES[2] / (1 - USUAL_RATES[0]))
NO_FACTS = VideoFacts()


class History(msgspec.Struct, frozen=True):
    """What a person met before a log begins.

    until_ms   when they met the last one
    exposures  how many they met; `watched` has the newest of them
    watched    videos, newest last; at least one
    finished   the same; it may reach further back than `watched`
    liked      all of these
    """

    user_id: UserId
    until_ms: AtMs
    exposures: Annotated[int, msgspec.Meta(ge=1)]
    watched: Annotated[tuple[VideoId, ...], msgspec.Meta(min_length=1)]
    finished: tuple[VideoId, ...] = ()
    liked: tuple[VideoId, ...] = ()


class WarmCounters(NamedTuple):
    """What a history adds to a person's counters."""

    counts: SurfaceCounts
    lately: Floats  # [H] as Counters has them
    bits: int  # of the last exposure
    at_ms: int


def outcomes_in(history: History) -> Floats:
    """The outcomes of the videos that are listed, in their order [n, H]; a skip is a chance.

    >>> history = History("ana", 1650000000000, 2, ("v1", "v2"), finished=("v2",), liked=("v2",))
    >>> outcomes_in(history).round(2).tolist()
    [[0.0, 0.0, 0.37], [1.0, 1.0, 0.0]]
    """
    finished, liked = {*history.finished[-len(history.watched) :]}, {*history.liked}
    table = [(video in finished, video in liked) for video in history.watched]
    return np.array([(*one, SKIPPED_OF_UNFINISHED * (not one[0])) for one in table], np.float64)


def warm_counters(history: History) -> WarmCounters:
    """What a history adds to a person's counters: rates of finishes and skips are those of the videos listed."""
    outcomes, exposures = outcomes_in(history), max(history.exposures, len(history.watched))
    finished, _, skipped = (outcomes.mean(axis=0) * exposures).round().astype(int).tolist()
    liked = min(len(history.liked), exposures)
    ages = np.arange(len(outcomes))[::-1]
    last = MET | (FINISHED if outcomes[-1, 0] else 0) | (LIKED if outcomes[-1, 1] else 0)
    return WarmCounters(
        SurfaceCounts(NO_SURFACE, exposures, finished, liked, skipped),
        RECENCY * (1 - RECENCY) ** ages @ outcomes,
        last,
        history.until_ms,
    )


def warmed(counters: Counters, before: WarmCounters) -> Counters:
    """A person's counters as if the history had been counted first."""
    exposures = sum(one.exposures for one in counters.surfaces)
    kept = before.lately * (1 - RECENCY) ** exposures
    finish, like, skip = (np.array([counters.finish_rate, counters.like_rate, counters.skip_rate]) + kept).tolist()
    surfaces = (before.counts, *counters.surfaces)
    if exposures:
        return Counters(counters.video, counters.at_ms, counters.bits, finish, like, skip, surfaces)
    return Counters(0, before.at_ms, before.bits, finish, like, skip, surfaces)


def warm_videos(parameters: Parameters, histories: Iterable[History], facts: Mapping[str, VideoFacts]) -> None:
    """Add to the counts of the keys that have rates; the effects, and how often all was seen, stay as they are."""
    for video, counts in _counts_by_video(histories).items():
        shown = Exposure(video, facts.get(video, NO_FACTS), NO_SURFACE, 0)
        for place in RATED:
            if row := parameters.row(place, FIELDS[place].key(shown), grow=True):
                parameters.counts[row] += counts


def _counts_by_video(histories: Iterable[History]) -> dict[str, Floats]:
    """Exposures and outcomes of each video [1 + H], in the order of their first."""
    found: defaultdict[str, Floats] = defaultdict(lambda: np.zeros(1 + len(HEADS)))
    for video, outcomes in _met(histories):
        found[video] += (1, *outcomes)
    return found


def _met(histories: Iterable[History]) -> Iterator[tuple[str, list[float]]]:
    for history in histories:
        yield from zip(history.watched, outcomes_in(history).tolist(), strict=True)
