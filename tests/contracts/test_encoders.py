"""The laws of `encoders.testing` hold for every encoder of ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from encoders.base import Encoder, Vectors
from encoders.modalities.audio import RATE
from encoders.modalities.text import CHARS, REMEMBERED, TextEncoder
from encoders.models.manifest import E5_MODELS, MULTILINGUAL_MODELS
from encoders.testing import ENCODER_LAWS, Examples, Law, check_modality, forget, has_a_version_for_each_answer
from tests.support.models import TITLES, built_in, chirp, made_up_frames

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder[Any])


@pytest.fixture(scope="module")
def exact(models: Path) -> TextEncoder:
    return TextEncoder(models, model="minilm", provider="cpu", exact=True)


@pytest.fixture(scope="module")
def e5(e5_models: Path) -> TextEncoder:
    return TextEncoder(e5_models, model="e5", provider="cpu")


@pytest.fixture(scope="module")
def e5_exact(e5_models: Path) -> TextEncoder:
    return TextEncoder(e5_models, model="e5", provider="cpu", exact=True)


@pytest.fixture(scope="module")
def multilingual(multilingual_models: Path) -> TextEncoder:
    return TextEncoder(multilingual_models, model="multilingual", provider="cpu")


@pytest.fixture(scope="module")
def multilingual_exact(multilingual_models: Path) -> TextEncoder:
    return TextEncoder(multilingual_models, model="multilingual", provider="cpu", exact=True)


WORDS = Examples(
    telling=TITLES[:32],
    silent=["", "  \n", "\u2063"],
    odd=["\ud800 lone surrogate", "\x00\x01", "a" * 100_000, "🐱" * 9000, "[CLS]", "[PAD] [PAD]", "\u202e" * 5],
)
PICTURES = Examples(
    telling=[made_up_frames(count, seed) for seed, count in enumerate((1, 3, 8, 2, 1, 5))],
    silent=[made_up_frames(0)],
    odd=[np.full((2, 224, 224, 3), value, np.uint8) for value in (0, 255)],
)
SOUNDS = Examples(
    telling=[chirp(seconds, 100.0 * seconds) for seconds in (3, 0.7, 12, 5, 9.1)],
    silent=[np.zeros(0, np.float32), np.zeros(5 * RATE, np.float32), np.full(RATE, 1e-6, np.float32)],
    odd=[np.full(4 * RATE, value, np.float32) for value in (np.nan, np.inf, 1e30, -1.0)] + [np.ones(1, np.float32)],
)
EXAMPLES = {
    **dict.fromkeys(("text", "exact", "e5", "e5_exact", "multilingual", "multilingual_exact"), WORDS),
    **dict.fromkeys(("image", "image_int8"), PICTURES),
    "audio": SOUNDS,
}


@pytest.fixture(params=list(EXAMPLES))
def name(request: pytest.FixtureRequest) -> str:
    """Each encoder's name in turn; the laws hold for all of them."""
    return str(request.param)


@pytest.fixture
def encoder(name: str, request: pytest.FixtureRequest) -> Encoder[Any]:
    found: Encoder[Any] = request.getfixturevalue(name)
    return found


@pytest.fixture
def videos(name: str) -> Examples:
    return EXAMPLES[name]


def forgetful(encoder: AnyEncoder) -> AnyEncoder:
    """The same encoder with nothing remembered, so that the next answer is computed."""
    forget(encoder)
    return encoder


def alone(encoder: Encoder[Any], batch: Sequence[Any]) -> Vectors:
    return np.concatenate([forgetful(encoder).encode([video]) for video in batch])


# laws of every encoder


@pytest.mark.parametrize("law", ENCODER_LAWS, ids=lambda law: law.__name__)
def test_every_encoder_keeps_every_law(encoder: Encoder[Any], videos: Examples, law: Law) -> None:
    law(encoder, videos)


def test_the_version_changes_with_the_models(encoder: Encoder[Any], models: Path) -> None:
    made_of = {"text-e5": E5_MODELS, "text-multilingual": MULTILINGUAL_MODELS}.get(encoder.name, models.name)
    assert encoder.version.endswith(f"-{made_of}")


@pytest.mark.parametrize("modality", ["text", "image", "audio"])
def test_every_modality_describes_its_encoder_and_its_directions(models: Path, modality: str) -> None:
    [described] = [one for one in built_in(models) if one.name == modality]
    few = EXAMPLES[modality]._replace(telling=EXAMPLES[modality].telling[:2], odd=[])
    encoder = check_modality(described, few)
    assert encoder.version == described.version and described.labels is not None


@pytest.mark.parametrize(
    "encoders", [("text", "exact"), ("text", "e5"), ("e5", "multilingual"), ("image", "image_int8")]
)
def test_encoders_of_two_precisions_have_two_versions(encoders: Sequence[str], request: pytest.FixtureRequest) -> None:
    has_a_version_for_each_answer([request.getfixturevalue(one) for one in encoders], EXAMPLES[encoders[0]])


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


@pytest.mark.parametrize("model", ["e5", "multilingual"])
def test_a_title_alone_is_the_same_for_every_text_model_and_exactly_so_in_exact_mode(
    model: str, request: pytest.FixtureRequest
) -> None:
    fast, exact = (request.getfixturevalue(name) for name in (model, f"{model}_exact"))
    titles = TITLES[:60]
    whole = forgetful(fast).encode(titles)
    assert np.abs(alone(fast, titles) - whole).max() < 1e-5
    assert np.abs(exact.encode(titles) - whole).max() < 1e-5
    assert (alone(exact, titles) == forgetful(exact).encode(titles[::-1])[::-1]).all()


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
    two = TextEncoder(models, model="minilm", provider="cpu", threads=2, exact=True)
    assert np.abs(two.encode(TITLES[:20]) - exact.encode(TITLES[:20])).max() < 1e-5


@pytest.mark.parametrize("model", ["text", "e5", "multilingual"])
def test_what_means_the_same_is_near(model: str, request: pytest.FixtureRequest) -> None:
    pasta, noodles, football = request.getfixturevalue(model).encode(
        ["cooking pasta at home", "quick spaghetti recipe", "football match highlights"]
    )
    assert pasta @ noodles > 0.4 > 0.3 > pasta @ football


def test_the_version_names_model_and_precision(text: TextEncoder, models: Path) -> None:
    assert text.version == f"fp32-{models.name}"
