"""The laws that every encoder keeps: shape, norm, and vectors that do not depend on their company."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pytest

from encoders.base import Encoder, Vectors
from encoders.modalities.audio import RATE
from encoders.modalities.text import CHARS, REMEMBERED, TextEncoder
from tests.support.models import TITLES, chirp, made_up_frames

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder[Any])


@pytest.fixture(scope="module")
def exact(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu", exact=True)


@pytest.fixture(scope="module")
def int8(models: Path) -> TextEncoder:
    return TextEncoder(models, provider="cpu", precision="int8")


class Modality(NamedTuple):
    """What a modality's encoder is asked: videos that say something, that say nothing, and odd ones."""

    telling: Sequence[Any]
    silent: Sequence[Any]
    odd: Sequence[Any]


WORDS = Modality(
    telling=TITLES[:32],
    silent=["", "  \n", "\u2063"],
    odd=["\ud800 lone surrogate", "\x00\x01", "a" * 100_000, "🐱" * 9000, "[CLS]", "[PAD] [PAD]", "\u202e" * 5],
)
PICTURES = Modality(
    telling=[made_up_frames(count, seed) for seed, count in enumerate((1, 3, 8, 2, 1, 5))],
    silent=[made_up_frames(0)],
    odd=[np.full((2, 224, 224, 3), value, np.uint8) for value in (0, 255)],
)
SOUNDS = Modality(
    telling=[chirp(seconds, 100.0 * seconds) for seconds in (3, 0.7, 12, 5, 9.1)],
    silent=[np.zeros(0, np.float32), np.zeros(5 * RATE, np.float32), np.full(RATE, 1e-6, np.float32)],
    odd=[np.full(4 * RATE, value, np.float32) for value in (np.nan, np.inf, 1e30, -1.0)] + [np.ones(1, np.float32)],
)
MODALITIES = {
    "text": WORDS,
    "exact": WORDS,
    "int8": WORDS,
    "image": PICTURES,
    "image_int8": PICTURES,
    "audio": SOUNDS,
}


@pytest.fixture(params=list(MODALITIES))
def name(request: pytest.FixtureRequest) -> str:
    """Each encoder's name in turn; the laws hold for all of them."""
    return str(request.param)


@pytest.fixture
def encoder(name: str, request: pytest.FixtureRequest) -> Encoder[Any]:
    found: Encoder[Any] = request.getfixturevalue(name)
    return found


@pytest.fixture
def videos(name: str) -> Modality:
    return MODALITIES[name]


def forgetful(encoder: AnyEncoder) -> AnyEncoder:
    """The same encoder with nothing remembered, so that the next answer is computed."""
    if isinstance(encoder, TextEncoder):
        encoder._recent.clear()
    return encoder


def alone(encoder: Encoder[Any], batch: Sequence[Any]) -> Vectors:
    return np.concatenate([forgetful(encoder).encode([video]) for video in batch])


# laws of every encoder


def test_vectors_have_the_declared_shape_and_norm_one(encoder: Encoder[Any], videos: Modality) -> None:
    vectors = encoder.encode(videos.telling)
    assert vectors.shape == (len(videos.telling), encoder.dim) and vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_a_video_that_says_nothing_gets_a_zero_row(encoder: Encoder[Any], videos: Modality) -> None:
    vectors = encoder.encode([None, *videos.silent, videos.telling[0], None])
    assert vectors.any(axis=1).tolist() == [False, *[False] * len(videos.silent), True, False]


def test_an_empty_batch_gives_no_rows(encoder: Encoder[Any]) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_nothing_however_odd_gives_nan_or_fails(encoder: Encoder[Any], videos: Modality) -> None:
    assert np.isfinite(encoder.encode(videos.odd)).all()


def test_a_video_alone_is_the_same_as_in_a_batch(encoder: Encoder[Any], videos: Modality) -> None:
    together = forgetful(encoder).encode(videos.telling)
    assert np.abs(alone(encoder, videos.telling) - together).max() < 1e-5
    backwards = forgetful(encoder).encode(videos.telling[::-1])[::-1]
    assert np.abs(backwards - together).max() < 1e-5


def test_different_videos_get_different_vectors(encoder: Encoder[Any], videos: Modality) -> None:
    vectors = encoder.encode(videos.telling)
    assert len(np.unique(vectors.round(4), axis=0)) == len(videos.telling)


def test_an_encoder_leaves_its_input_as_it_was(encoder: Encoder[Any], videos: Modality) -> None:
    before = [np.copy(video) for video in videos.telling]
    encoder.encode(videos.telling)
    assert all((np.asarray(video) == copy).all() for video, copy in zip(videos.telling, before, strict=True))


def test_the_version_changes_with_the_models(encoder: Encoder[Any], models: Path) -> None:
    assert encoder.version.endswith(f"-{models.name}")


# the text encoder


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


@pytest.mark.parametrize("precision", ["text", "int8"])
def test_what_means_the_same_is_near(precision: str, request: pytest.FixtureRequest) -> None:
    pasta, noodles, football = request.getfixturevalue(precision).encode(
        ["cooking pasta at home", "quick spaghetti recipe", "football match highlights"]
    )
    assert pasta @ noodles > 0.5 > 0.3 > pasta @ football


def test_the_version_names_model_and_precision(text: TextEncoder, int8: TextEncoder, models: Path) -> None:
    assert (text.version, int8.version) == (f"fp32-{models.name}", f"int8-{models.name}")
