"""Slates of a process that holds no vectors: the same as of one that does, of a cache that stays as large as it is."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.compaction import compact
from ranker.catalogue.entry import Entry
from ranker.feeds import home
from ranker.feeds.feed import FeedContext
from ranker.pipeline.types import Slate
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.vector_cache import VectorCache
from ranker.testing import example_context, example_queries
from ranker.testing.example import example_catalogue
from tests.support.remote_index import ExactRemote

DIM = 4


def filled(count: int, holds_vectors: bool = False) -> Catalogue:
    catalogue = Catalogue(DIM, holds_vectors=holds_vectors)
    catalogue.add(Entry(f"v{n}", n, vector(n)) for n in range(count))
    return catalogue


def vector(n: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([1, n + 1, (n + 1) ** 2, 1], np.float32)


class Cached:
    """A cache over a catalogue without vectors, and an index that holds them."""

    def __init__(self, count: int, capacity: int, rows: int | None = None) -> None:
        self.bare, self.remote = filled(count), ExactRemote(filled(count, holds_vectors=True), rows)
        self.cache = VectorCache(self.remote, self.bare, capacity)

    def fetch(self, *rows: int) -> list[int]:
        """Those that the index did not answer, and those that there was no room for."""
        lacking = asyncio.run(self.cache.fetch(np.array(rows, np.int32)))
        return [*lacking.unanswered.tolist(), *lacking.crowded_out.tolist()]

    def has(self, *rows: int) -> bool:
        wanted = np.array(rows, np.int32)
        return bool((self.cache.take(wanted) == self.remote.catalogue.vectors[wanted]).all())

    def has_none(self, *rows: int) -> bool:
        return not self.cache.take(np.array(rows, np.int32)).any()


def test_what_was_fetched_is_there_and_the_rest_is_zero() -> None:
    made = Cached(20, capacity=8)
    assert made.fetch(3, -1, 5, 3) == []
    assert made.has(3, 5) and made.has_none(4, 19)
    assert made.remote.asked == [["v3", "v5"]]


def test_nothing_is_asked_for_twice_and_what_was_used_longest_ago_goes_first() -> None:
    made = Cached(20, capacity=4)
    made.fetch(0, 1, 2, 3)
    made.fetch(0, 1)
    made.fetch(0, 4)  # in place of 2 or 3
    made.fetch(1, 5)
    assert made.remote.asked[1:] == [["v4"], ["v5"]]
    assert made.has(0, 1, 4, 5) and made.has_none(2, 3)


def test_more_than_there_is_room_for_leaves_some_out_and_says_which() -> None:
    made = Cached(20, capacity=4)
    made.fetch(0, 1)
    assert made.fetch(*range(20)) == [*range(4, 20)]
    assert made.has(0, 1, 2, 3) and made.has_none(*range(4, 20))


def test_without_an_answer_it_says_which_and_asks_again_later() -> None:
    made = Cached(20, capacity=8)
    made.remote.is_away = True
    assert made.fetch(1, 2) == [1, 2] and made.has_none(1, 2)
    made.remote.is_away = False
    assert made.fetch(1, 2) == [] and made.has(1, 2)


def test_what_the_index_has_not_yet_is_not_asked_for() -> None:
    made = Cached(20, capacity=8, rows=10)
    assert made.fetch(9, 10) == [] and made.remote.asked == [["v9"]]


def test_what_was_not_in_one_collection_is_asked_of_the_next() -> None:
    made = Cached(20, capacity=8, rows=20)
    whole, made.remote.catalogue = made.remote.catalogue, Catalogue(DIM)
    assert made.fetch(1) == [] and made.has_none(1)
    made.remote.catalogue, made.remote.generation = whole, "two"
    assert made.fetch(1) == [] and made.has(1)


def test_a_compaction_numbers_the_rows_again() -> None:
    made = Cached(5000, capacity=8)
    made.fetch(4999)
    for catalogue in (made.bare, made.remote.catalogue):
        catalogue.drop(f"v{n}" for n in range(4500))
        assert compact(catalogue)
    assert made.fetch(499) == [] and made.has(499) and made.has_none(498)


def test_a_repeated_record_changes_nothing_and_another_vector_makes_a_new_row() -> None:
    bare = filled(3)
    assert bare.add([Entry("v1", 1, vector(1))]) == 0
    assert bare.add([Entry("v1", 1, vector(7))]) == 1 and bare.row_of["v1"] == 3
    assert bare.add([Entry("v1", 1, None)]) == 1 and not bare.has_vector[4]


def slates(context: FeedContext) -> list[Slate]:
    return asyncio.run(home.build(context).recommend(example_queries()))


def shared(made: Sequence[Slate], wanted: Sequence[Slate]) -> float:
    """The share of the wanted slates' videos that the others have too."""
    ids = [[{item.video_id for item in slate.items} for slate in slates] for slates in (made, wanted)]
    return sum(len(one & two) / len(two) for one, two in zip(*ids, strict=True)) / len(wanted)


def test_slates_are_those_of_a_process_that_holds_all_vectors() -> None:
    held = example_catalogue()
    remote = ExactRemote(held)
    made, wanted = slates(example_context(remote, example_catalogue(False))), slates(example_context(ExactIndex(held)))
    assert shared(made, wanted) >= 0.97
    assert not any(slate.degraded for slate in made)
    assert len(remote.asked) == 1, "one request a batch"


def test_a_slate_for_which_vectors_are_missing_says_so() -> None:
    remote = ExactRemote(example_catalogue())
    remote.is_away = True
    made = slates(example_context(remote, example_catalogue(False)))
    assert all(slate.items for slate in made)
    assert {slate.degraded for slate in made} == {("vector_index",)}


def test_a_slate_for_which_the_cache_has_no_room_says_so() -> None:
    context = example_context(ExactRemote(example_catalogue()), example_catalogue(False))
    crowded = replace(context, settings=context.settings.model_copy(update={"vector_cache": 5}))
    made = slates(crowded)
    assert all(slate.items for slate in made)
    assert {slate.degraded for slate in made} == {("vector_cache",)}


@pytest.mark.parametrize("rows", [0, 100])
def test_who_has_no_interest_in_the_index_is_told_so(rows: int) -> None:
    remote = ExactRemote(example_catalogue(), rows)
    made = slates(example_context(remote, example_catalogue(False)))
    assert any(slate.degraded for slate in made) and not made[0].degraded, "the first has no interests at all"
