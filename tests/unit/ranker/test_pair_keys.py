"""Pairs: the lookup by hash gives what a comparison with every pair gives."""

import numpy as np
import pytest

from ranker.pipeline.pair_keys import Pairs, keys_of, parts_of


@pytest.mark.parametrize("seed", range(20))
def test_the_lookup_agrees_with_a_set(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people, numbers = rng.integers(0, 6, 200), rng.integers(0, rng.choice([20, 2**32]), 200, dtype=np.uint32)
    stored = rng.random(200) < 0.3
    pairs = Pairs(keys_of(people[stored], numbers[stored]))
    truth = set(zip(people[stored].tolist(), numbers[stored].tolist(), strict=True))
    wanted = [*zip(people.tolist(), numbers.tolist(), strict=True)]
    assert pairs.contain(people, numbers).tolist() == [pair in truth for pair in wanted]
    at, places = pairs.find(people, numbers)
    found = zip(*(part.tolist() for part in parts_of(pairs.keys[places])), strict=True)
    assert [wanted[place] for place in at] == [*found]


def test_a_negative_number_is_never_present_and_an_empty_set_holds_nothing() -> None:
    people, numbers = np.array([0, 1]), np.array([-1, -1], np.int32)
    assert not Pairs(keys_of(people, np.array([5, 2**32 - 1]))).contain(people, numbers).any()
    assert not Pairs(keys_of(people[:0], numbers[:0])).contain(people, numbers).any()
