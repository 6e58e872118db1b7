"""The next finish among all videos, on a recorded log: predicted, by us and by simple sources, then learned from."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranker.catalogue.entry import VideoFacts
from ranker.evaluation.catalogue_figures import CatalogueRanks, place_of
from ranker.learning.catalogue_state import RECENT, Met, Moment
from ranker.learning.engagement import HALF_LIVES_MS, IN_ALL
from ranker.learning.fields import HOUR_MS
from ranker.learning.learner import NO_FACTS, LearnedBatch, Open
from ranker.learning.next_features import View, met_alike
from ranker.learning.next_finish import NextFinish, Prospect
from ranker.profile.outcomes import FINISHED, LIKED
from streams.operations.baselines.recorder import NextFinishRecorder
from streams.operations.evaluate_sequence import SequenceScores

Floats = NDArray[np.floating]
Source = Callable[[View], Floats]

OURS, SEQUENCE = "freshet", "sequence model"
ONE_HOUR, SIX_HOURS = HALF_LIVES_MS.index(HOUR_MS), HALF_LIVES_MS.index(6 * HOUR_MS)
YOUNG_MS = HOUR_MS
NO_SCORES: Mapping[str, Floats] = {}
SOURCES: Mapping[str, Source] = {
    "{} on the surface, 6 h": lambda view: view.finishes(True, SIX_HOURS),
    "exposures, 1 h": lambda view: view.exposures(False, ONE_HOUR),
    "{} so far": lambda view: view.finishes(False, IN_ALL),
    "met together": lambda view: view.cosines[0],
    "same creator": lambda view: met_alike("creator", False, view),
}


class Wanted(NamedTuple):
    """The outcome whose next video is ranked, and whose.

    called   in the names of what it is ranked by
    label    as a bit
    is_each  whether each one of the test days counts, of whoever had one at any time before; else a person's first
             one, of whoever had one before the test days
    """

    called: str
    label: int
    is_each: bool

    @property
    def popularity(self) -> str:
        """The name of how often each video had it before the split."""
        return f"{self.called} before the split"


FINISH, LIKE = Wanted("finishes", FINISHED, is_each=False), Wanted("likes", LIKED, is_each=True)


class Placed(NamedTuple):
    """Where the video that a person finished stood."""

    user_id: str
    places: Mapping[str, float]  # by what it was ranked by
    on_surface: Mapping[str, float]
    is_young: bool


class Person:
    """What is known of a person: all videos that they met, as rows, and the last ones."""

    def __init__(self) -> None:
        self.met: set[int] = set()
        self.recent: list[Met] = []
        self.has_finished = False  # something that makes the next one count
        self.is_tested = False

    def meet(self, row: int, video_id: str, is_finished: bool) -> None:
        """Remember an exposure."""
        self.met.add(row)
        self.recent = [*(one for one in self.recent if one.video_id != video_id), Met(video_id, is_finished)][-RECENT:]


class CatalogueEvaluation:
    """Ranks, of each person who finished something before the split, what they finish first after it; or likes, each.

    What is said of finishes here is meant of likes where those are wanted.

    recorder  notes what baselines are asked, if there are any
    sequence  a sequence model, if there is one
    """

    def __init__(
        self,
        facts: Mapping[str, VideoFacts],
        split_ms: int,
        recorder: NextFinishRecorder | None = None,
        sequence: SequenceScores | None = None,
        wanted: Wanted = FINISH,
    ) -> None:
        self.model = NextFinish()
        self._wanted = wanted
        self._sources = {name.format(wanted.called): source for name, source in SOURCES.items()}
        self._recorder, self._sequence = recorder, sequence
        self._facts, self._split_ms = facts, split_ms
        self._known = 0  # videos of `facts` that the model knows
        self._people: defaultdict[str, Person] = defaultdict(Person)
        self._popularity: NDArray[np.float32] | None = None
        self._first_ms: dict[int, int] = {}  # when each video was met first
        self._placed: list[Placed] = []

    def take(self, batch: LearnedBatch) -> None:
        """Take in a batch of exposures, one by one."""
        if len(self._facts) > self._known:
            for video_id in [*self._facts][self._known :]:
                row = self.model.put(video_id, self._facts[video_id])
                if self._sequence:
                    self._sequence.put(row, video_id)
            self._known = len(self._facts)
        for one in batch.opened:
            self._take(one)

    def ranks(self, baselines: Mapping[str, Floats] = NO_SCORES) -> CatalogueRanks:
        """Where everybody's video stood; the baselines' scores [P, V] are those of the people that were recorded."""
        names = (OURS, *self._sources, self._wanted.popularity, *([SEQUENCE] if self._sequence else []))
        places = {name: np.array([one.places[name] for one in self._placed]) for name in names}
        on_surface = {name: np.array([one.on_surface[name] for one in self._placed]) for name in names}
        others = self._recorder.all_places(baselines) if self._recorder else {}
        return CatalogueRanks(
            OURS,
            places.pop(OURS),
            places,
            on_surface | {name: there for name, (_, there) in others.items()},
            np.array([one.is_young for one in self._placed], np.bool_),
            np.unique([one.user_id for one in self._placed], return_inverse=True)[1],
            {name: everywhere for name, (everywhere, _) in others.items()},
        )

    def _take(self, one: Open) -> None:
        example, person = one.example, self._people[one.user_id]
        is_test = example.at_ms >= self._split_ms
        if is_test and self._popularity is None:
            self._popularity = self.model.state.engagement.everywhere.finishes.in_all.copy()
        row = self.model.put(example.video_id, self._facts.get(example.video_id, NO_FACTS))
        if self._sequence:
            self._sequence.put(row, example.video_id)
        moment = Moment(example.surface, example.at_ms, person.recent)
        is_finished = one.labels & self._wanted.label != 0
        person.has_finished |= is_finished and not is_test
        if self._recorder and is_finished and not is_test:
            self._recorder.finish(one.user_id, row, example.at_ms)
        if not example.is_first:
            if is_finished:
                self.model.finish_later(row, moment)
            return
        if is_finished:
            self._finish(one.user_id, row, moment, is_test)
        self._first_ms.setdefault(row, example.at_ms)
        self.model.meet(row, moment, is_finished=is_finished)
        person.meet(row, example.video_id, is_finished)
        person.has_finished |= is_finished and self._wanted.is_each

    def _finish(self, user_id: str, row: int, moment: Moment, is_test: bool) -> None:
        person, prospect = self._people[user_id], self.model.prospect(moment)
        if is_test and (self._wanted.is_each or not person.is_tested):
            person.is_tested = True
            if person.has_finished and row not in person.met:
                self._placed.append(self._place(prospect, row, user_id, moment.at_ms))
        self.model.finish(prospect, row, person.met)

    def _place(self, prospect: Prospect, row: int, user_id: str, at_ms: int) -> Placed:
        view = prospect.view
        scores: dict[str, Floats] = {name: source(view) for name, source in self._sources.items()}
        scores |= {OURS: prospect.scores, self._wanted.popularity: self._popularity_of(view)}
        if self._sequence:
            scores[SEQUENCE] = self._sequence.scores(user_id, at_ms, view.size)
        may_come = np.ones(view.size, np.bool_)
        may_come[[*self._people[user_id].met]] = False
        here = may_come & (view.exposures(True, IN_ALL) > 0)
        if self._recorder:
            self._recorder.ask(user_id, row, may_come, here)
        return Placed(
            user_id,
            {name: place_of(row, one, may_come) for name, one in scores.items()},
            {name: place_of(row, one, here) for name, one in scores.items()},
            at_ms - self._first_ms.get(row, at_ms) < YOUNG_MS,
        )

    def _popularity_of(self, view: View) -> NDArray[np.float32]:
        """How often each video was finished before the split; videos that came after it were not."""
        found = np.zeros(view.size, np.float32)
        if self._popularity is not None:
            before = self._popularity[: view.size]
            found[: len(before)] = before
        return found
