"""Falsifying reasons: does a score fall where the events are missing that its reason names?

The person's log is folded again without all that they did with the named video, and the same candidates are scored at
the same moment with the same shared state: a counterfactual by removing a person's own actions, as in Ghazimatin et al.
2020, "PRINCE: Provider-side Interpretability with Counterfactual Explanations in Recommender Systems".
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ranker.feeds.home import REASONS
from ranker.pipeline.pipeline import Pipeline, Run
from ranker.pipeline.query_features import query_features
from ranker.pipeline.reasons import Reason
from ranker.pipeline.types import Places, Query, QueryBatch, Scores
from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY, Profile
from schemas.messages.feedback import Feedback
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.logs.jsonl import Fault, Line
from streams.logs.replay import Replay, replay_embedder
from tests.support.events import fold_all

Without = Callable[[str], Profile]  # the profile folded from the person's events without those of a video


@dataclass(frozen=True)
class Case:
    """One item whose reason names a video, with the events of that video and without them.

    weight   the share that the reason states
    score    of the item; never one of another slate
    stated   what the reason's features contribute to the score, in the scorer's unit
    """

    user_id: str
    video_id: str
    named: str
    weight: float
    score: float
    score_without: float
    stated: float
    stated_without: float

    @property
    def score_falls(self) -> bool:
        """Whether the item scores lower without the named events."""
        return self.score_without < self.score

    @property
    def contribution_falls(self) -> bool:
        """Whether what the reason stands for contributes less without them."""
        return self.stated_without < self.stated

    @property
    def holds(self) -> bool:
        """Whether the reason's statement is true of both."""
        return self.score_falls and self.contribution_falls


def without(events: Iterable[Arrival], video_id: str) -> list[Arrival]:
    """A person's events, but for those of one video."""
    return [arrival for arrival in events if arrival.event.video_id != video_id]


async def falsify(pipeline: Pipeline, query: Query, table: Sequence[Reason], profile_without: Without) -> list[Case]:
    """A case for each item of a slate whose reason names a video; none where the scorer tells no contributions."""
    run = await pipeline.run([query])
    if run.scores.contributions is None:
        return []
    again: dict[str, Scores] = {}
    found = []
    for video_id, place, named, code, weight in _named(run, pipeline):
        if named not in again:
            again[named] = _scores(pipeline, query, profile_without(named), run)
        features = next(reason.features for reason in table if reason.code == code)
        found.append(
            Case(
                query.user_id,
                video_id,
                named,
                weight,
                float(run.scores.score[place]),
                float(again[named].score[place]),
                _contributed(run.scores, place, features),
                _contributed(again[named], place, features),
            )
        )
    return found


def _named(run: Run, pipeline: Pipeline) -> Iterator[tuple[str, int, str, str, float]]:
    """Items of the only slate with what their reasons name: video, place, named video, code, weight."""
    rows = run.filtered.candidates.rows
    for item in run.items[0]:
        place = int(np.flatnonzero(rows == pipeline.catalogue.row_of[item.video_id])[0])
        for because in item.reasons:
            if because.video_id is not None:
                yield item.video_id, place, because.video_id, because.code, because.weight


def _scores(pipeline: Pipeline, query: Query, profile: Profile, run: Run) -> Scores:
    """The scores of a run's candidates for another profile of the same person, at the same time."""
    other = Query(query.user_id, query.version, query.now_ms, profile, query.seed)
    batch = QueryBatch([other], query_features([profile], pipeline.catalogue))
    return pipeline.scorer.score(pipeline.features(batch, run.filtered.candidates))


def _contributed(scores: Scores, place: int, features: Sequence[str]) -> float:
    if scores.contributions is None:
        return 0.0
    at: Places = np.array([place], np.int64)
    names, values, _ = scores.contributions(at)
    return float(sum(values[row, 0] for row, name in enumerate(names) if name in features))


NAMING = {reason.code for reason in REASONS if reason.names_interest}
Spoil = Callable[[Pipeline], Pipeline]


@dataclass
class Falsified:
    """Cases of a log's slates; `differing` counts slates that the same events do not give a second time."""

    cases: list[Case] = field(default_factory=list)
    slates: int = 0
    differing: int = 0
    naming: int = 0  # items with a reason that may name a video

    def share(self) -> float:
        """How many of the cases hold."""
        return sum(case.holds for case in self.cases) / len(self.cases)


def as_it_is(pipeline: Pipeline) -> Pipeline:
    """The feed of the log's slates itself."""
    return pipeline


async def falsify_log(
    settings: Settings, lines: Iterable[Line | Fault], every: int, *, learning: bool = False, spoil: Spoil = as_it_is
) -> Falsified:
    """Try the reasons of every so many slates; `spoil` changes the feed that gives the reasons."""
    run, events, found = Replay(settings, replay_embedder(settings), batch=1, learning=learning), _Events(), Falsified()
    number = 0
    async for slate in run.run(events.noting(lines)):
        number += 1
        if number % every:
            continue
        mine = [one for one in events.of[slate.user_id] if one.offset <= slate.trigger.offset]
        profile = _folded(mine, settings)
        query = Query(slate.user_id, slate.version, profile.newest_ms, profile, settings.seed)
        (again,) = await run.pipeline.recommend([query])
        found.slates += 1
        found.differing += again.items != slate.items
        found.naming += sum(because.code in NAMING for item in slate.items for because in item.reasons)
        found.cases += await falsify(spoil(run.pipeline), query, REASONS, _refold(mine, settings))
    return found


def _refold(events: Sequence[Arrival], settings: Settings) -> Callable[[str], Profile]:
    return lambda video_id: _folded(without(events, video_id), settings)


def _folded(events: Sequence[Arrival], settings: Settings) -> Profile:
    return next(iter(fold_all({}, events, settings.late_ms).changed.values()), EMPTY)


class _Events:
    """What each person did, noted while a log is read."""

    def __init__(self) -> None:
        self.of: dict[str, list[Arrival]] = defaultdict(list)

    def noting(self, lines: Iterable[Line | Fault]) -> Iterator[Line | Fault]:
        for line in lines:
            if isinstance(line, Line) and line.topic is FEEDBACK and isinstance(line.message, Feedback):
                self.of[line.message.user_id].append(Arrival(line.message, FEEDBACK.name, 0, line.number))
            yield line
