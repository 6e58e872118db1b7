"""What the stages hand on: queries, candidates, slates, and the aliases that are the whole framework.

A stage is a callable with a name (`__name__`). Candidates are arrays of catalogue rows, not one object each.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.state import Profile
from ranker.taste import NO_TASTE, Taste
from schemas.outputs import Item

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Heads = dict[str, Floats]

NONE: Rows = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Query:
    """Whom to answer: a profile at one version, and the event time at which it is asked."""

    user_id: str
    version: int
    now_ms: int
    profile: Profile
    seed: int = 0
    taste: Taste = NO_TASTE  # filled in by the pipeline


@dataclass(frozen=True, slots=True)
class Found:
    """What one source found for one query: rows, possibly twice; `missing` names what did not answer."""

    rows: Rows  # [C]
    missing: str = ""  # as in Recommendation.degraded, e.g. vector_index


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of one query, no row twice, sorted by row; bit i of `sources` is the pipeline's source i."""

    rows: Rows  # [C]
    sources: NDArray[np.uint8]  # [C]


@dataclass(frozen=True)
class Features:
    """Features of a batch's candidates, one after another: query q has columns bounds[q] to bounds[q + 1]."""

    values: Floats  # [F, N], rows as in features.NAMES
    bounds: NDArray[np.int64]  # [B + 1]
    similar_to: NDArray[np.int32]  # [N] row of the interest that is nearest, −1: none


@dataclass(frozen=True)
class Scores:
    """What a scorer says of N candidates: `heads` are probabilities, `score` orders inside one slate."""

    heads: Heads  # each [N]
    score: Floats  # [N]


@dataclass(frozen=True, slots=True)
class Picks:
    """One slate in rank order: `at` indexes the query's candidates, `propensity` is each place's chance."""

    at: NDArray[np.int64]
    propensity: NDArray[np.float64]


class Dropped(NamedTuple):
    """A candidate that a filter took out, and which one."""

    video_id: str
    by: str


@dataclass(frozen=True, slots=True)
class Drops:
    """What the filters took out of one query, kept as rows until somebody asks."""

    ids: Sequence[str]  # the catalogue's, by row
    by: tuple[tuple[str, Rows], ...]

    def named(self) -> list[Dropped]:
        """One Dropped a candidate, in the filters' order."""
        return [Dropped(self.ids[row], name) for name, rows in self.by for row in rows]


@dataclass(frozen=True)
class Slate:
    """The answer to one query; `items` is empty only if there is nothing at all that may be shown."""

    user_id: str
    version: int
    items: list[Item]
    drops: Drops
    degraded: tuple[str, ...] = ()
    exhausted: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)  # of the batch it was computed in

    @property
    def dropped(self) -> list[Dropped]:
        """Why a candidate is not in the slate."""
        return self.drops.named()


Source = Callable[[Sequence[Query]], Awaitable[list[Found]]]  # for a whole batch; the only stage that may wait
Filter = Callable[[Query, Rows], Mask]  # True keeps
Featurize = Callable[[Sequence[Query], Sequence[Candidates]], Features]
Scorer = Callable[[Features], Scores]  # one call for the whole batch
Selector = Callable[[Sequence[Query], Sequence[Candidates], Features, Scores], list[Picks]]
