"""Compiled products of vectors: NumPy's bits, or NumPy itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.catalogue.catalogue import DIM, Catalogue
from ranker.pipeline import features, query_features, reranking
from ranker.pipeline.kernel import calls, fused, switch
from tests.support.kernel_twins import both, candidates_by, catalogue_by, profiles_by

pytestmark = pytest.mark.skipif(not switch.IS_BUILT, reason="the kernel is not compiled here; NumPy does its work")
seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=50, deadline=None)


FUSED = pytest.mark.skipif(not fused.is_used(DIM), reason="NumPy adds up products otherwise on this processor")


def with_vectors(rng: np.random.Generator, catalogue: Catalogue) -> Catalogue:
    """Videos with vectors by chance, some of which are zero or alike."""
    vectors = rng.standard_normal((catalogue.size, catalogue.dim), np.float32)
    vectors[rng.random(catalogue.size) < 0.1] = 0
    vectors[rng.random(catalogue.size) < 0.2] = vectors[0]
    catalogue.vectors[: catalogue.size] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
    return catalogue


@FUSED
@many
@given(seeds, st.integers(1, 5))
def test_cosines_to_what_people_like_are_alike(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = with_vectors(rng, catalogue_by(rng))
    candidates, _ = candidates_by(rng, catalogue, count)
    known = query_features.query_features(profiles_by(rng, catalogue, count), catalogue)
    found = both(lambda: features.reference_cosines(known, candidates, catalogue))
    assert found.shape == (features.REFERENCES, len(candidates.rows))


@FUSED
@many
@given(seeds, st.integers(1, 4), st.integers(1, 25), st.integers(0, 3))
def test_slates_are_mixed_by_vectors_alike(seed: int, count: int, size: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    catalogue = with_vectors(rng, catalogue_by(rng))
    rows = rng.integers(0, catalogue.size, (count, fused.POOL_SIZE)).astype(np.int32)
    gain = np.sort(rng.random(rows.shape, np.float32), axis=1)[:, ::-1].copy()
    gain[:, rng.integers(1, fused.POOL_SIZE + 1) :] = -np.inf
    mix = reranking.Mix(float(rng.random()), per_creator=most)
    both(lambda: reranking.mixed(gain, rows, catalogue, size, mix))


@pytest.mark.parametrize("name", ["cosines", "of_pool"])
def test_products_with_other_bits_than_numpys_are_not_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = getattr(calls, name)
    monkeypatch.setattr(calls, name, lambda *given: np.nextafter(ours(*given), np.float32(np.inf)))
    fused.agree.cache_clear()
    try:
        assert not fused.is_used(DIM)
    finally:
        fused.agree.cache_clear()


def test_products_of_a_length_that_does_not_fit_are_numpys() -> None:
    assert not fused.is_used(100)


@FUSED
def test_vectors_of_another_length_are_refused() -> None:
    rows, bounds = np.zeros(3, np.int32), np.array([0, 3])
    vectors, columns, scale = np.zeros((4, 32), np.float32), np.zeros((1, 32, 16), np.float32), np.ones(16, np.float32)
    with pytest.raises(ValueError, match="bounds"):
        calls.cosines(vectors, rows, bounds + 1, columns, scale)
    with pytest.raises(ValueError, match="vectors"):
        calls.cosines(vectors[:, :16].copy(), rows, bounds, columns, scale)
    with pytest.raises(ValueError, match="pools"):
        calls.mixed(scale[None], vectors, rows[None], 2, 0.5, 4.0, [])
    with pytest.raises(ValueError, match="vectors"):
        calls.of_pool(vectors)
