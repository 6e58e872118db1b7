"""Which videos are met together: the cosine against one worked out by hand, and the bound on neighbours."""

import numpy as np
import pytest

from ranker.learning.cooccurrence import HALF_LIFE_MS, CoOccurrence
from tests.support.events import NOON


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def ones(count: int) -> np.ndarray:
    return np.ones(count, np.float32)


def test_the_cosine_is_what_two_have_together_over_what_they_have_alone():
    together = CoOccurrence(3)
    together.add(0, rows(), NOON)
    together.add(1, rows(0), NOON)
    together.add(1, rows(), NOON)
    assert together.cosine(rows(0), ones(1)) == pytest.approx([0, 1 / np.sqrt(1 * 2), 0])
    assert together.cosine(rows(1), ones(1)) == pytest.approx([1 / np.sqrt(1 * 2), 0, 0])


def test_who_met_nothing_is_close_to_nothing():
    together = CoOccurrence(2)
    together.add(0, rows(1), NOON)
    assert together.cosine(rows(), ones(0)).tolist() == [0, 0]


def test_cosines_are_added_up_with_their_weights():
    together = CoOccurrence(3)
    for row, companions in ((0, ()), (1, ()), (2, (0, 1))):
        together.add(row, rows(*companions), NOON)
    assert together.cosine(rows(0, 1), np.array([1, 0.5], np.float32))[2] == pytest.approx(1.5)


def test_a_pair_counts_half_after_a_half_life():
    together = CoOccurrence(3)
    together.add(0, rows(1), NOON)
    together.add(0, rows(2), NOON + HALF_LIFE_MS)
    together.add(1, rows(), NOON + HALF_LIFE_MS)
    together.add(2, rows(), NOON + HALF_LIFE_MS)
    alone = 0.5 + 1  # of 0; those of 1 and 2 are 1
    assert together.cosine(rows(0), ones(1))[1:] == pytest.approx([0.5 / np.sqrt(alone), 1 / np.sqrt(alone)])


def brute_cosine(meetings, companions, size):
    """The same from whole matrices."""
    newest_ms = meetings[-1][2]
    pairs, alone = np.zeros((size, size)), np.zeros(size)
    for row, others, at_ms in meetings:
        amount = 2.0 ** ((at_ms - newest_ms) / HALF_LIFE_MS)
        alone[row] += amount
        for other in others:
            pairs[row, other] += amount
            pairs[other, row] += amount
    norms = np.sqrt(np.maximum(alone, 1e-300))
    return (pairs[companions] / norms[companions][:, None]).sum(axis=0) / norms


@pytest.mark.parametrize("step", [HALF_LIFE_MS // 50, HALF_LIFE_MS])  # the second lasts longer than float32 reaches
def test_with_room_for_all_neighbours_it_is_exact(step):
    chance, size = np.random.default_rng(5), 12
    meetings = []
    for n in range(200):
        row, *others = chance.permutation(size)[: 1 + chance.integers(5)].tolist()
        meetings.append((row, others, NOON + n * step))
    together = CoOccurrence(size, neighbours=size)
    for row, others, at_ms in meetings:
        together.add(row, rows(*others), at_ms)
    companions = rows(3, 7)
    assert together.cosine(companions, ones(2)) == pytest.approx(brute_cosine(meetings, companions, size), rel=1e-4)


def close_to(together: CoOccurrence, row: int) -> set[int]:
    return set(np.flatnonzero(together.cosine(rows(row), ones(1))).tolist())


def test_a_video_has_no_more_neighbours_than_there_are_places_and_keeps_the_closest():
    size = 1000
    together = CoOccurrence(size, neighbours=4)
    for row in range(1, size):
        together.add(row, rows(), NOON)
    for _ in range(3):
        together.add(0, rows(1, 2, 3), NOON)
    for row in range(4, size):
        together.add(row, rows(0), NOON)
        assert len(close_to(together, 0)) == 4
    assert close_to(together, 0) == {1, 2, 3, size - 1}
    assert close_to(together, 500) == {0}


def test_old_neighbours_give_way_to_new_ones():
    together = CoOccurrence(4, neighbours=2)
    for row in range(4):
        together.add(row, rows(), NOON)
    for companion, at_ms in ((1, NOON), (1, NOON), (2, NOON + 5 * HALF_LIFE_MS), (3, NOON + 5 * HALF_LIFE_MS)):
        together.add(0, rows(companion), at_ms)
    assert close_to(together, 0) == {2, 3}


def test_room_for_more_videos_keeps_what_was_counted():
    together = CoOccurrence(2)
    together.add(0, rows(1), NOON)
    together.add(1, rows(), NOON)
    together.grow(4)
    assert close_to(together, 0) == {1}
    together.add(3, rows(0), NOON)
    assert close_to(together, 0) == {1, 3}
