"""Reasons of a recorded log's slates, each tried by folding the person's events again without those that it names."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ranker.evaluation.falsification import Case, falsify, without
from ranker.feeds.home import REASONS
from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.types import Query
from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY, Profile
from schemas.messages.feedback import Feedback
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.logs.jsonl import Fault, Line
from streams.logs.replay import Replay, replay_embedder
from tests.support.events import fold_all

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
