"""Leave one out: the greatest of the others, column by column, however the values lie."""

import numpy as np

from ranker.pipeline.leave_one_out import greatest_of_others


def test_it_is_what_removing_each_row_leaves() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(-3, 4, (9, 500)).astype(np.float32)  # equal ones, and columns that are nowhere above zero
    found = greatest_of_others(values)
    for row in range(len(values)):
        assert np.array_equal(found[row], np.delete(values, row, axis=0).max(axis=0, initial=0))


def test_what_is_given_stays_as_it_is() -> None:
    values = np.array([[0.5, 0.25], [0.75, 0.125]], np.float32)
    before = values.copy()
    greatest_of_others(values)
    assert np.array_equal(values, before)
