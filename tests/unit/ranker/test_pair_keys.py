"""Pairs: the quick answer is the one that looking at every pair gives."""

import numpy as np
import pytest

from ranker.pipeline.pair_keys import Pairs, keys_of, parts_of


@pytest.mark.parametrize("seed", range(20))
def test_the_quick_answer_is_that_of_a_set(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people, numbers = rng.integers(0, 6, 200), rng.integers(0, rng.choice([20, 2**32]), 200, dtype=np.uint32)
    there = rng.random(200) < 0.3
    pairs = Pairs(keys_of(people[there], numbers[there]))
    truth = set(zip(people[there].tolist(), numbers[there].tolist(), strict=True))
    asked = [*zip(people.tolist(), numbers.tolist(), strict=True)]
    assert pairs.contain(people, numbers).tolist() == [one in truth for one in asked]
    at, places = pairs.find(people, numbers)
    found = zip(*(part.tolist() for part in parts_of(pairs.keys[places])), strict=True)
    assert [asked[one] for one in at] == [*found]


def test_nobody_has_a_negative_number_and_an_empty_set_nothing() -> None:
    people, numbers = np.array([0, 1]), np.array([-1, -1], np.int32)
    assert not Pairs(keys_of(people, np.array([5, 2**32 - 1]))).contain(people, numbers).any()
    assert not Pairs(keys_of(people[:0], numbers[:0])).contain(people, numbers).any()
