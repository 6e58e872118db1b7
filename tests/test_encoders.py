"""The laws that every encoder keeps: shape, norm, and vectors that do not depend on their company."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.base import Encoder, Vectors
from encoders.text import CHARS, REMEMBERED, TextEncoder
from tests.models import TITLES, real_models


@pytest.fixture(scope="module")
def models() -> Path:
    return real_models()


@pytest.fixture(scope="module")
def text(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu")


@pytest.fixture(scope="module")
def exact(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu", exact=True)


@pytest.fixture(scope="module")
def int8(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu", precision="int8")


@pytest.fixture(params=["text", "exact", "int8"])
def encoder(request: pytest.FixtureRequest) -> Encoder[str]:
    """Each encoder in turn; the laws hold for all of them."""
    found: Encoder[str] = request.getfixturevalue(request.param)
    return found


def forgetful(encoder: TextEncoder) -> TextEncoder:
    """The same encoder with nothing remembered, so that the next answer is computed."""
    encoder._recent.clear()
    return encoder


def alone(encoder: TextEncoder, texts: Sequence[str]) -> Vectors:
    return np.concatenate([forgetful(encoder).encode([text]) for text in texts])


# laws of every encoder


def test_vectors_have_the_declared_shape_and_norm_one(encoder: Encoder[str]) -> None:
    vectors = encoder.encode(TITLES[:32])
    assert vectors.shape == (32, encoder.dim) and vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_a_missing_or_silent_text_gets_a_zero_row(encoder: Encoder[str]) -> None:
    vectors = encoder.encode([None, "", "  \n", "\u2063", "a cat", None])
    assert vectors.any(axis=1).tolist() == [False, False, False, False, True, False]


def test_an_empty_batch_gives_no_rows(encoder: Encoder[str]) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_no_text_however_odd_gives_nan_or_fails(encoder: Encoder[str]) -> None:
    odd = ["\ud800 lone surrogate", "\x00\x01", "a" * 100_000, "🐱" * 9000, "[CLS]", "[PAD] [PAD]", "\u202e" * 5]
    assert np.isfinite(encoder.encode(odd)).all()


def test_a_text_too_long_counts_by_its_beginning(text: TextEncoder) -> None:
    long = "how to cook rice " * 2000
    assert len(long) > CHARS
    assert (text.encode([long]) == text.encode([long[:CHARS]])).all()


# a vector does not depend on its company


@pytest.fixture(scope="module")
def together(text: TextEncoder) -> Vectors:
    """All titles encoded as one batch."""
    return forgetful(text).encode(TITLES)


def test_a_title_alone_is_the_same_as_in_a_batch(text: TextEncoder, together: Vectors) -> None:
    assert np.abs(alone(text, TITLES) - together).max() < 1e-5


def test_in_exact_mode_not_a_bit_depends_on_the_batch(exact: TextEncoder) -> None:
    titles = TITLES[:80]
    whole = forgetful(exact).encode(titles)
    shuffled = np.random.default_rng(3).permutation(len(titles))
    assert (forgetful(exact).encode([titles[i] for i in shuffled]) == whole[shuffled]).all()
    assert (alone(exact, titles) == whole).all()


def test_int8_is_one_text_a_call_so_not_a_bit_depends_on_the_batch(int8: TextEncoder) -> None:
    assert (alone(int8, TITLES[:60]) == forgetful(int8).encode(TITLES[:60])).all()


def test_exact_and_fast_agree(exact: TextEncoder, together: Vectors) -> None:
    assert np.abs(exact.encode(TITLES[:80]) - together[:80]).max() < 1e-5


def test_the_order_of_a_batch_does_not_matter(text: TextEncoder, together: Vectors) -> None:
    backwards = forgetful(text).encode(TITLES[::-1])[::-1]
    assert np.abs(backwards - together).max() < 1e-5


def test_a_repeated_title_gets_the_same_row_each_time(text: TextEncoder) -> None:
    first, other, again = text.encode(["a cat", "a dog", "a cat"])
    assert (first == again).all() and not (first == other).all()
    assert (text.encode(["a cat"])[0] == first).all()


def test_a_returned_vector_may_be_changed_without_changing_the_next_answer(text: TextEncoder) -> None:
    before = text.encode(["a cat"])
    text.encode(["a cat"])[:] = 0
    assert (text.encode(["a cat"]) == before).all()


def test_memory_is_bounded_and_keeps_what_was_used_last(text: TextEncoder) -> None:
    text._recent.update({f"filler {number}": np.zeros(text.dim, np.float32) for number in range(REMEMBERED)})
    text.encode(["filler 0", "one more"])
    assert len(text._recent) == REMEMBERED
    assert "filler 0" in text._recent and "filler 1" not in text._recent
    forgetful(text)


def test_several_threads_change_no_vector(models: Path, exact: TextEncoder) -> None:
    two = TextEncoder(models, provider="cpu", threads=2, exact=True)
    assert np.abs(two.encode(TITLES[:20]) - exact.encode(TITLES[:20])).max() < 1e-5


def test_what_means_the_same_is_near(encoder: Encoder[str]) -> None:
    pasta, noodles, football = encoder.encode(
        ["cooking pasta at home", "quick spaghetti recipe", "football match highlights"]
    )
    assert pasta @ noodles > 0.5 > 0.3 > pasta @ football


def test_the_version_names_model_and_precision(text: TextEncoder, int8: TextEncoder, models: Path) -> None:
    assert (text.version, int8.version) == (f"fp32-{models.name}", f"int8-{models.name}")
