"""A view that has seen videos come and go and parameters learn says what a view made new says, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.catalogue import compaction
from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.compaction import compact
from ranker.catalogue.entry import VideoFacts
from ranker.feeds.ranking_table import usual_table
from ranker.learning.fields import FIELD_NAMES, Exposure
from ranker.learning.model import Outcomes, Shown, learn, predict
from ranker.learning.parameters import NOBODY, Parameters
from ranker.learning.view import MOST_TABLES, ParameterView
from tests.support.events import NOON, after, encoded, watched, withdrawn

SURFACES = ("feed", "search", "")
VIDEOS = 30
WORTH = usual_table().score
COUNTERS = after(watched("ana", "v0")).counters


class World:
    """A catalogue and parameters that change, and a view that stays."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.catalogue, self.parameters = Catalogue(dim=4), Parameters()
        self.view = ParameterView(self.catalogue, self.parameters, WORTH.of_heads)
        self.now_ms = NOON

    def upload(self) -> None:
        """Four videos, some of them anew and with other facts."""
        self.now_ms += 1
        for number in self.rng.integers(VIDEOS, size=4).tolist():
            more = {"tags": [f"t{(number + place) % 3}" for place in range(number % 4)]}
            creator, duration_ms = f"c{self.rng.integers(5)}", int(self.rng.integers(90_000))
            self.catalogue.apply(
                [encoded(f"v{number}", self.now_ms, creator_id=creator, duration_ms=duration_ms, **more)]
            )

    def learn(self, surfaces: tuple[str, ...] = SURFACES) -> None:
        """From six exposures, also of videos that are not there yet."""
        facts = dict(zip(self.catalogue.ids, self.catalogue.facts, strict=True))
        shown = []
        for number in self.rng.integers(VIDEOS, size=6).tolist():
            surface = surfaces[self.rng.integers(len(surfaces))]
            exposure = Exposure(f"v{number}", facts.get(f"v{number}", VideoFacts(music="m")), surface, 12)
            shown.append(Shown(exposure, COUNTERS, self.now_ms))
        labels = self.rng.integers(2, size=(6, 3)).astype(np.float64)
        predicted = predict(self.parameters, shown, grow=True)
        self.ask()  # between a key's row and what is learned of it
        learn(self.parameters, predicted, Outcomes(labels, np.ones((6, 3), np.bool_), np.ones(6, np.bool_)))

    def compact(self) -> None:
        """Rows get other numbers."""
        self.now_ms += 1
        gone = sorted(self.catalogue.row_of)[:2]
        self.catalogue.apply([withdrawn(video_id, self.now_ms) for video_id in gone])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compaction, "LEAST", 1)
            compact(self.catalogue)

    def give_rows_to_others(self) -> None:
        """The last key loses its row; two others change theirs."""
        parameters = self.parameters
        if len(parameters) < 3:
            return
        last = len(parameters.keys) - 1
        parameters.name(last, NOBODY)
        for column in (parameters.effect, parameters.counts):
            column[last] = 0
        one, other = self.rng.choice(np.arange(1, last), 2, replace=False).tolist()
        keys = parameters.keys[one], parameters.keys[other]
        parameters.name(one, NOBODY)
        parameters.name(other, keys[0])
        parameters.name(one, keys[1])

    def add_unnamed_rows(self) -> None:
        """Two rows without a key, as a damaged block leaves them."""
        self.parameters.keys += [NOBODY] * 2
        self.parameters.make_room(len(self.parameters.keys))
        self.parameters.batches += 1

    def name_rows(self) -> None:
        """Rows that had no key get one."""
        parameters = self.parameters
        for row, (field, _) in enumerate(parameters.keys):
            key = (FIELD_NAMES.index("video"), f"v{self.rng.integers(VIDEOS)}")
            if row and field < 0 and key not in parameters.row_of:
                parameters.name(row, key)
                parameters.effect[row] = 0.5
        parameters.batches += 1

    def forget(self) -> None:
        """Everything is read again from the beginning."""
        self.parameters.reset()

    def ask(self) -> None:
        """Of some videos on one surface alone, so that others are left behind."""
        surface = SURFACES[self.rng.integers(len(SURFACES))]
        if self.catalogue.size:
            rows = self.rng.integers(self.catalogue.size, size=3).astype(np.int32)
            self.view.logits(rows, surface)
            self.view.contributions(rows[:1], surface)
            self.view.context(surface, NOON)

    def check(self, surfaces: tuple[str, ...] = SURFACES) -> None:
        fresh = ParameterView(self.catalogue, self.parameters, WORTH.of_heads)
        rows = np.arange(self.catalogue.size, dtype=np.int32)
        for surface in surfaces:
            logits, contributions = fresh.logits(rows, surface), fresh.contributions(rows, surface)
            assert (self.view.logits(rows, surface) == logits).all()
            assert (self.view.contributions(rows, surface) == contributions).all()
            assert contributions.sum(axis=-1) == pytest.approx(logits @ WORTH.of_heads, abs=1e-5)
            assert (self.view.context(surface, NOON) == fresh.context(surface, NOON)).all()
            assert self.view.surface(surface) == fresh.surface(surface)


STEPS = (
    World.upload, World.learn, World.compact, World.give_rows_to_others, World.add_unnamed_rows, World.name_rows,
    World.forget, World.ask, World.check,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(STEPS), max_size=25))
def test_whatever_happens_it_says_what_a_view_made_new_says(seed, steps):
    world = World(seed)
    world.upload()
    world.learn()
    for step in steps:
        step(world)
    world.check()


def test_a_video_is_looked_up_once_however_often_something_is_learned():
    class Counting(Parameters):
        asked = 0

        def row(self, field, key, grow=False):
            self.asked += not grow
            return super().row(field, key, grow)

    world = World()
    world.parameters = Counting()
    world.view = ParameterView(world.catalogue, world.parameters, WORTH.of_heads)
    world.upload()
    world.learn()
    rows = np.arange(world.catalogue.size, dtype=np.int32)
    world.view.logits(rows, "feed")
    asked = world.parameters.asked
    for _ in range(20):
        world.parameters.batches += 1
        world.view.logits(rows, "feed")
        world.view.contributions(rows, "feed")
    assert world.parameters.asked == asked > 0


def test_what_is_learned_of_a_video_after_it_was_looked_up_is_seen():
    world = World()
    world.upload()
    rows = np.arange(world.catalogue.size, dtype=np.int32)
    assert not world.view.logits(rows, "feed").any()
    for _ in range(10):
        world.learn()
    assert world.view.logits(rows, "feed").any(axis=1).all()
    world.check()


def test_more_surfaces_than_are_kept_are_all_right():
    world = World()
    surfaces = tuple(f"s{number}" for number in range(MOST_TABLES + 3))
    for _ in range(10):
        world.upload()
        world.learn(surfaces)
    world.check(surfaces)
    world.learn(surfaces)
    world.check(surfaces)
    assert len(world.view._tables) == MOST_TABLES
