"""What the stages hand on: queries, candidates, slates, and the aliases that are the whole framework.

A stage is a callable with a name (`__name__`) over a batch of queries. The candidates of a batch are columns of
arrays, one query after another, not one object each.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.pipeline.pair_keys import Keys
from ranker.pipeline.query_features import QueryFeatures
from ranker.profile.history import Interactions
from ranker.profile.model import Profile
from schemas.messages.recommendations import Item

Rows = NDArray[np.int32]
Places = NDArray[np.int64]
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


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """A batch of B queries, and what the catalogue makes of their profiles."""

    queries: Sequence[Query]
    query_features: QueryFeatures


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What one source found: rows, possibly twice, for the queries at the places `of`."""

    rows: Rows  # [C]
    of: Places  # [C]
    missing: Mapping[int, str] = field(default_factory=dict)  # query → what did not answer, as in `degraded`


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of a batch, N in all: those of query q lie at bounds[q] to bounds[q + 1], no row twice, by id.

    As they are in the order of their ids, of equal ones the first counts.
    """

    keys: Keys  # [N] sorted pairs of query and place of the id among all ids
    rows: Rows  # [N]
    of: Places  # [N] places of their queries
    sources: NDArray[np.uint8]  # [N] bit i is the pipeline's source i
    bounds: Places  # [B + 1]

    def spans(self) -> Iterator[tuple[int, slice]]:
        """Each query's place, and that of its candidates."""
        bounds = self.bounds.tolist()
        return enumerate(map(slice, bounds[:-1], bounds[1:]))


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of a batch's candidates."""

    values: Floats  # [F, N], rows as in features.NAMES
    nearness: Floats  # [I, N] cosines to the interests, times their strengths
    interests: Rows  # [B, I], −1: none


@dataclass(frozen=True)
class Scores:
    """What a scorer says of N candidates: `heads` are probabilities, `score` orders inside one slate."""

    heads: Heads  # each [N]
    score: Floats  # [N]


@dataclass(frozen=True, slots=True)
class Selection:
    """Slates in rank order: `at` are places among the batch's candidates, `propensity` is each one's chance."""

    at: Places  # [B, size], −1: none
    propensity: NDArray[np.float64]  # [B, size]


class Dropped(NamedTuple):
    """A candidate that a filter took out, and which one."""

    video_id: str
    by: str


class Drops(NamedTuple):
    """What became of one query's candidates, kept as rows until somebody asks."""

    ids: Sequence[str]  # the catalogue's, by row
    filters: Sequence[str]  # names
    rows: Rows = NONE  # [C]
    by: NDArray[np.int8] = np.empty(0, np.int8)  # [C] place of the first filter that said no, −1: none did

    def named(self) -> list[Dropped]:
        """One Dropped a candidate, in the filters' order."""
        return [Dropped(self.ids[row], name) for i, name in enumerate(self.filters) for row in self.rows[self.by == i]]


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
    retirements: int = -1  # of the catalogue when it was made: as long as no more died, all may be shown
    now_ms: int = 0  # event time at which it was asked for
    follows: Interactions = ()  # of the profile that asked

    @property
    def dropped(self) -> list[Dropped]:
        """Why a candidate is not in the slate."""
        return self.drops.named()


Source = Callable[[QueryBatch], Awaitable[SourceResult]]  # the only stage that may wait
Filter = Callable[[QueryBatch, Candidates], Mask]  # True keeps
Featurize = Callable[[QueryBatch, Candidates], FeatureMatrix]
Scorer = Callable[[FeatureMatrix], Scores]
Selector = Callable[[QueryBatch, Candidates, Scores], Selection]
Explain = Callable[[Candidates, FeatureMatrix, Scores, Selection], list[list[Item]]]
