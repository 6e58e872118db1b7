"""What the stages hand on: queries, candidates, scores, slates, and the types of the stages themselves.

A stage is a callable with a name (`__name__`) over a batch of queries. The candidates of a batch are columns of
arrays, one query after another, not one object each.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.arrays import Floats as Floats
from ranker.catalogue.arrays import Keys
from ranker.catalogue.arrays import Mask as Mask
from ranker.catalogue.arrays import Places as Places
from ranker.catalogue.arrays import Rows as Rows
from ranker.catalogue.packed import ByRow
from ranker.pipeline.query_features import QueryFeatures
from ranker.pipeline.source_sets import SourceSets
from ranker.profile.history import Interactions
from ranker.profile.model import Profile
from schemas.messages.recommendations import Item

Heads = Mapping[str, Floats]

PRESENT = -1
NO_ROWS: Rows = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Query:
    """The request for one slate: a profile at one version, and the event time of the request.

    moment  place of its tick among the catalogue's moments; PRESENT: the last tick
    """

    user_id: str
    version: int
    now_ms: int
    profile: Profile
    seed: int = 0
    moment: int = PRESENT


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """A batch of B queries, and what the catalogue knows of their profiles."""

    queries: Sequence[Query]
    query_features: QueryFeatures
    moments: Places | None = None  # [B] places among the catalogue's; None: all queries are of the present


def batch_of(queries: Sequence[Query], query_features: QueryFeatures) -> QueryBatch:
    """A batch; its queries are of the present, or all of moments that the catalogue keeps."""
    if not queries or queries[0].moment == PRESENT:
        return QueryBatch(queries, query_features)
    return QueryBatch(queries, query_features, np.array([query.moment for query in queries], np.int64))


@dataclass(frozen=True, slots=True)
class SourceResult:
    """What one source returned: catalogue rows, each with the place in the batch of the query that it is for."""

    rows: Rows  # [C], one row may occur twice
    query: Places  # [C]
    missing: Mapping[int, str] = field(default_factory=dict)  # query → what did not answer, as in `degraded`


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of a batch, N in all: those of query q lie at bounds[q] to bounds[q + 1], each row once.

    They are in the order of their ids, so among equals the first is the one with the lowest id.
    """

    keys: Keys  # [N] sorted pairs of the query and the place of the video's id among all ids
    rows: Rows  # [N]
    query: Places  # [N] places of their queries in the batch
    sources: SourceSets  # [N]
    bounds: Places  # [B + 1]

    def spans(self) -> Iterator[tuple[int, slice]]:
        """The place of each query, and where its candidates lie."""
        bounds = self.bounds.tolist()
        return enumerate(map(slice, bounds[:-1], bounds[1:]))


@dataclass(frozen=True)
class FeatureMatrix:
    """The features of a batch's candidates.

    without  tells, for the candidates at the given places [M], what features would be if the person had not met one of
             their interests [I, M], by name; None: cannot be told. It is called for the items of the slates alone.
    """

    names: tuple[str, ...]
    values: Floats  # [F, N], one row a name
    nearness: Floats  # [I, N] cosines to the person's interests, times their strengths
    interests: Rows  # [B, I] the interests of each query, −1: none
    without: Callable[[Places], Mapping[str, Floats]] | None = field(default=None, kw_only=True)

    def __getitem__(self, name: str) -> Floats:
        """One feature of all candidates [N]."""
        of_all: Floats = self.values[self.names.index(name)]
        return of_all


class Contributions(NamedTuple):
    """What raised and lowered the scores of M candidates, in whatever unit the scorer has."""

    names: tuple[str, ...]  # mostly those of features
    values: Floats  # [F, M]
    rank_logit: Floats | None = None  # [M] what the values add up to; None: cannot be told


@dataclass(frozen=True)
class Scores:
    """What a scorer says of N candidates; `score` orders the candidates of one query and means nothing across queries.

    heads          probabilities by outcome, each [N]
    contributions  tells, for the candidates at the given places [M], what moved their scores; None: cannot be told.
                   It is called for the items of the slates alone.
    """

    heads: Heads
    score: Floats  # [N]
    contributions: Callable[[Places], Contributions] | None = None


@dataclass(frozen=True)
class Scorer:
    """A scoring function, and the version under which slates name it."""

    version: str  # such as weighted-sum@1; raised with every change that changes a score
    score: Callable[[FeatureMatrix], Scores]
    learned: Callable[[], str] | None = None  # version of what is learned by now, where it scores by that

    @property
    def name(self) -> str:
        """The version as a slate that is made now says it."""
        return f"{self.version}-{self.learned()}" if self.learned else self.version


@dataclass(frozen=True, slots=True)
class Selection:
    """Slates in rank order: places among the batch's candidates, and the chance with which each got its rank."""

    places: Places  # [B, size], −1: none
    propensity: NDArray[np.float64]  # [B, size]


class Dropped(NamedTuple):
    """A candidate that a filter removed, and the filter's name."""

    video_id: str
    by: str


class Drops(NamedTuple):
    """Which filter removed each of one query's candidates, kept as numbers until somebody asks for names."""

    ids: ByRow[str]  # the catalogue's
    filters: Sequence[str]  # names
    rows: Rows = NO_ROWS  # [C]
    by: NDArray[np.int16] = np.empty(0, np.int16)  # [C] place of the first filter that rejected it, −1: none did

    def named(self) -> list[Dropped]:
        """One Dropped a candidate, in the filters' order."""
        return [Dropped(self.ids[row], name) for i, name in enumerate(self.filters) for row in self.rows[self.by == i]]


@dataclass(frozen=True)
class Slate:
    """The answer to one query; `items` is empty only where no video at all may be shown."""

    user_id: str
    version: int
    items: list[Item]
    drops: Drops
    degraded: tuple[str, ...] = ()
    exhausted: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)  # of the batch that it was computed in
    retirements: int = -1  # the catalogue's when it was computed: while no more rows retired, all items may be shown
    now_ms: int = 0  # event time of the query
    follows: Interactions = ()  # of the profile
    ranker: str = ""  # name of the scorer, with what it had learned

    @property
    def dropped(self) -> list[Dropped]:
        """Which candidates were removed, and by which filter."""
        return self.drops.named()


def surface_of(query: Query) -> str:
    """The surface on which the person will meet the slate: the one of their last exposure."""
    surfaces = query.profile.counters.surfaces
    return surfaces[-1].surface if surfaces else ""


Source = Callable[[QueryBatch], Awaitable[SourceResult]]  # this stage and the next may wait
Hydrate = Callable[[QueryBatch, Mapping[str, SourceResult]], Awaitable[Mapping[int, str]]]  # query → what is missing
Filter = Callable[[QueryBatch, Candidates], Mask]  # True keeps
Featurize = Callable[[QueryBatch, Candidates], FeatureMatrix]
Selector = Callable[[QueryBatch, Candidates, Scores], Selection]
Explain = Callable[[Candidates, FeatureMatrix, Scores, Selection], list[list[Item]]]


def name_of(stage: object) -> str:
    """A stage's name, as slates and drops say it."""
    return str(getattr(stage, "__name__", type(stage).__name__))
