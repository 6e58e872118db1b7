"""Counts of slates become figures with intervals, sentences and a page."""

from sys import getrefcount

import numpy as np
import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.evaluation.report.slate_page import slate_page
from ranker.evaluation.slate_comparison import Comparison, as_json, compare
from ranker.evaluation.slate_counts import Pair, Shown, SlateCounts, Sums
from ranker.evaluation.slate_text import slate_report
from ranker.profile.counters import NOTHING
from ranker.profile.example import Example
from ranker.profile.outcomes import FINISHED
from schemas.messages.recommendations import Because, Item, Recommendation, Trigger
from tests.support.events import NOON, encoded
from tests.unit.ranker.evaluation.test_report import Elements

VIDEOS = [f"v{n}" for n in range(60)]
SOURCES = ("near_recent", "trending", "a_source_with_a_rather_long_name")


def slate(user_id: str, ids: list[str]) -> Recommendation:
    items = [
        Item(rank, one, 1 / rank, {}, 1.0, [SOURCES[int(one[1:]) % 3]], [Because("popular", 1.0)])
        for rank, one in enumerate(ids, 1)
    ]
    trigger = Trigger(None, "feedback.v1", 0, 1, NOON)
    return Recommendation("1.0", "r", user_id, 1, 0, 1, trigger, {}, {}, [], items, False)


def met(video_id: str, labels: int, *, is_first: bool = True) -> Example:
    return Example(1, video_id, NOON, labels, is_first, "", NOTHING)


def counted(people: int = 40) -> SlateCounts:
    """A shows everybody what they finish next, B something drawn."""
    chance, catalogue = np.random.default_rng(2), Catalogue()
    catalogue.apply(encoded(one) for one in VIDEOS)
    counts = SlateCounts(catalogue)
    for n in range(people):
        a, b = ([VIDEOS[m] for m in chance.permutation(60)[:12]] for _ in range(2))
        counts.meet(f"p{n}", met("v0", 0))
        counts.show(f"p{n}", Pair(slate(f"p{n}", a), slate(f"p{n}", b)))
        counts.meet(f"p{n}", met(next(one for one in a if one != "v0"), FINISHED))
    return counts


def compared(counts: SlateCounts) -> Comparison:
    return compare(counts, counts._catalogue, {"A": "<seer>", "B": "chance"}, {"A": 1.0, "B": None}, 100)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared(counted())


def test_of_slates_only_the_ids_are_held() -> None:
    counts, ids = SlateCounts(Catalogue()), VIDEOS[:12]
    pair = Pair(slate("p0", ids), slate("p0", ids))
    before = [getrefcount(one) for one in (pair, *pair)]
    counts.show("p0", pair)
    assert [getrefcount(one) for one in (pair, *pair)] == before


def test_who_knows_what_comes_next_is_better(comparison: Comparison) -> None:
    hits = comparison.figures["finish_hit@10"]
    assert hits.a == (1, 1, 1)
    assert hits.b.value < 0.5
    assert hits.difference.high < 0
    assert "A is better by" in slate_report(comparison)


def test_a_video_that_was_met_before_is_not_asked_for_again() -> None:
    counts = counted(1)
    before = as_json(compared(counts))["targets"]
    counts.meet("p0", met("v0", FINISHED))
    assert as_json(compared(counts))["targets"] == before == {"finish": 1, "next": 1}


def test_what_is_said_of_an_exposure_later_counts_for_it_once() -> None:
    counts = counted(1)
    new = next(one for one in VIDEOS if one not in counts._people["p0"].met)
    counts.meet("p0", met(new, 0))
    counts.meet("p0", met(new, FINISHED, is_first=False))
    assert as_json(compared(counts))["targets"] == {"finish": 2, "next": 2}


def test_sums_are_kept_by_person_and_group_however_many_there_are() -> None:
    sums = Sums()
    for person in range(200):
        sums.add(person, person % 2, {("x", str(person)): 1.0, ("all",): 2.0})
    assert sums.of(("all",), 200).tolist() == [2.0] * 200
    assert sums.of(("all",), 200, group=1).sum() == 200
    assert sums.of(("x", "150"), 200).nonzero()[0].tolist() == [150]


def test_what_was_shown_is_counted_by_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranker.evaluation.slate_counts.PACKED_AT_ONCE", 3)
    shown = Shown()
    for person, one in [(0, "a"), (1, "b"), (0, "a"), (0, "b"), (1, "b")]:
        shown.add(person, [one])
    assert [column.tolist() for column in shown.arrays()] == [[0, 0, 1], [0, 1, 1], [2, 1, 2]]


def test_the_page_is_well_formed_and_shows_names_as_text(comparison: Comparison) -> None:
    page = slate_page(comparison)
    elements = Elements(page)
    assert elements.open == []
    assert "A: <seer>" in elements.text
    assert "<seer>" not in page
    assert len(elements.of_class("picture")) == 3


def test_what_erased_people_met_is_novel_again() -> None:
    catalogue = Catalogue()
    catalogue.apply(encoded(one) for one in VIDEOS)
    counts = SlateCounts(catalogue)
    for n in range(20):
        counts.meet(f"p{n}", met("v0", 0))
    for n in range(20):
        counts.forget(f"p{n}")
    counts.show("ana", Pair(slate("ana", ["v0"]), slate("ana", ["v1"])))
    novelty = compared(counts).figures["novelty"]
    assert novelty.a.value == novelty.b.value >= 0
