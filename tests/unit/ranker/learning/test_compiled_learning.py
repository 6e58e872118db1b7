"""What is learned is the same to the bit, compiled and by NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.learning import model
from ranker.learning.model import BATCH, Outcomes
from ranker.pipeline.kernel import calls, switch

pytestmark = pytest.mark.skipif(not switch.IS_BUILT, reason="the kernel is not compiled here; NumPy does its work")
H = 3


def keys_by(rng: np.random.Generator, count: int) -> np.ndarray:
    """Rows of the keys of exposures: some that many share, some twice in one exposure."""
    return rng.zipf(1.3, (count, int(rng.integers(1, 11)))) % 700


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, BATCH))
def test_keys_and_what_is_said_of_them_are_alike(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    rows = keys_by(rng, count)
    among = rng.standard_normal((H, count, count)) * 10.0 ** rng.integers(-6, 6)
    counted = rng.random((count, 2))
    found = []
    for is_compiled in (True, False):
        with switch.switched(is_compiled):
            chosen, place = model.distinct(rows)
            counts = np.zeros((700, 2))
            model.count_keys(rows, counted, counts)
            found.append((chosen, place, model.told_of_keys(among, place, len(chosen)), counts))
    for one, other in zip(*found, strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_each_key_is_told_the_sum_over_the_pairs_of_its_exposures() -> None:
    among = np.arange(27.0).reshape(H, 3, 3)
    told = model.told_of_keys(among, np.array([[0, 1], [1, 1], [0, 2]]), 3)
    assert told.tolist() == [[0 + 2 + 6 + 8, 0 + 1 + 3 + 4, 8], [52, 44, 17], [88, 80, 26]]


@pytest.mark.parametrize("is_compiled", [True, False])
def test_batches_teach_the_same_effects(is_compiled: bool) -> None:
    with switch.switched(is_compiled):
        learned = effects_of_batches()
    with switch.switched(not is_compiled):
        for one, other in zip(learned, effects_of_batches(), strict=True):
            assert one.tobytes() == other.tobytes()


def effects_of_batches() -> tuple[np.ndarray, np.ndarray]:
    """Effects and variances after a few batches."""
    rng = np.random.default_rng(7)
    effect, variance = np.zeros((700, H)), np.full((700, H), 0.3)
    variance[0] = 0
    for count in (64, 64, 40, 1, 17):
        labels = (rng.random((count, H)) < 0.3).astype(np.float64)
        outcomes = Outcomes(labels, rng.random((count, H)) < 0.9, np.ones(count, np.bool_))
        model.learn_effects(effect, variance, keys_by(rng, count), rng.random((count, H)), outcomes)
    assert (variance[1:] < 0.3).any() and effect.any() and not effect[0].any()
    return effect, variance


def test_what_does_not_fit_is_refused() -> None:
    rows, counts = np.zeros((2, 3), np.int64), np.zeros((5, 2))
    for wrong in (
        lambda: calls.told(np.zeros((H, 3, 3)), rows, 1),
        lambda: calls.told(np.zeros((H, 2, 2)), rows + 1, 1),
        lambda: calls.told(np.zeros((H, 2, 2)), rows - 1, 1),
        lambda: calls.count_keys(rows + 5, np.zeros((2, 2)), counts),
        lambda: calls.count_keys(rows - 1, np.zeros((2, 2)), counts),
        lambda: calls.count_keys(rows, np.zeros((2, 3)), counts),
        lambda: calls.count_keys(rows, np.zeros((4, 2)), counts),
        lambda: calls.distinct(rows.astype(np.int32)),
    ):
        with pytest.raises(ValueError):
            wrong()
