"""Parts of many videos go through a model in calls of one size, and come back in their order."""

import numpy as np
import pytest

from encoders.base import Vectors
from encoders.modalities.batching import run


@pytest.mark.parametrize(("rows", "calls"), [(1, [1] * 6), (4, [4, 4]), (6, [6]), (8, [8])])
def test_every_call_has_the_same_number_of_rows_and_every_part_its_answer(rows: int, calls: list[int]) -> None:
    sizes = list[int]()

    def doubling(call: Vectors) -> list[Vectors]:
        sizes.append(len(call))
        return [2 * call, -call[:, 0]]

    parts = np.arange(18, dtype=np.float32).reshape(6, 3)
    doubled, negated = run(doubling, [parts[:2], parts[2:2], parts[2:5], parts[5:]], rows)
    assert (doubled == 2 * parts).all() and (negated == -parts[:, 0]).all()
    assert sizes == calls


def test_all_calls_are_made_with_one_array_that_is_filled_anew() -> None:
    given = list[Vectors]()

    def copying(call: Vectors) -> list[Vectors]:
        given.append(call)
        return [call.copy()]

    parts = np.arange(10, dtype=np.float32).reshape(5, 2)
    (copied,) = run(copying, [parts], 2)
    assert (copied == parts).all() and len(given) == 3
    assert all(call is given[0] for call in given)
