"""What is judged before it is shown: abusive words in texts, bare skin in pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from encoders.base import ModelError
from encoders.modalities.image import SIDE
from encoders.moderation.nudity import LABELS, NudityDetector, enlarged
from encoders.moderation.toxicity import WEIGHTS, Toxicity
from schemas.messages.plain_text import bare_words
from tests.support.models import made_up_frames, with_one_file_changed


@pytest.fixture(scope="module")
def toxicity(models: Path) -> Toxicity:
    return Toxicity(models, bare_words)


@pytest.fixture(scope="module")
def nudity(models: Path) -> NudityDetector:
    return NudityDetector(models, provider="cpu")


# what the original, with scikit-learn 1.9.1, answers
ORIGINAL = {
    "you stupid idiot, shut up": 0.9999999916214974,
    "STUPID stupid Stupid": 0.9999818254267551,
    "how to hate-watch a terrible film": 0.41715213707768173,
    "my cat learns to swim, and it's a really bad idea": 0.04940377580420819,
    "?!": 0.036375752016469504,
}


@pytest.mark.parametrize("text", ORIGINAL)
def test_texts_are_judged_as_by_the_original(toxicity: Toxicity, text: str) -> None:
    assert toxicity(text) == pytest.approx(ORIGINAL[text], abs=1e-6)


def test_an_insult_stands_out_from_what_people_film(toxicity: Toxicity) -> None:
    harmless = [
        "street food in Osaka",
        "my cat learns to swim",
        "guitar lesson for beginners",
        "レシピ 簡単",
        "?!",
        " ",
    ]
    assert toxicity("you stupid idiot, shut up") > 0.9 > 0.3 > max(map(toxicity, harmless))


FULLWIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("!"), ord("~") + 1)})
BOLD = str.maketrans({chr(ord("a") + place): chr(0x1D5EE + place) for place in range(26)})


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.translate(FULLWIDTH),
        lambda text: text.translate(BOLD),
        lambda text: "\u200b".join(text),
        lambda text: "".join(f"{letter}\u0336" for letter in text),
        lambda text: text.replace("i", "\u0456").replace("o", "\u043e"),
    ],
    ids=["fullwidth", "bold", "zero width", "struck through", "Cyrillic"],
)
def test_an_insult_is_one_in_whatever_letters_it_is_written(toxicity: Toxicity, written: Callable[[str], str]) -> None:
    insult = "you stupid idiot, shut up"
    assert toxicity(written(insult)) == pytest.approx(toxicity(insult), abs=1e-6)


def test_no_text_is_harmless(toxicity: Toxicity) -> None:
    assert toxicity(None) == toxicity("") == 0.0


@pytest.mark.parametrize("text", ["\ud800", "\x00", "stupid " * 50_000, "🐱" * 9000])
def test_no_text_however_odd_fails(toxicity: Toxicity, text: str) -> None:
    assert 0 <= toxicity(text) <= 1


def test_weights_that_do_not_fit_the_words_are_refused(models: Path, tmp_path: Path) -> None:
    folder = with_one_file_changed(models, tmp_path / "models", WEIGHTS, b"")
    with pytest.raises(ModelError, match=WEIGHTS):
        Toxicity(folder)


def test_each_label_has_the_highest_score_of_any_frame(nudity: NudityDetector) -> None:
    frames = made_up_frames(2)
    both, first, second = nudity.detect([frames, frames[:1], frames[1:]])
    assert both.shape == (len(LABELS),) and both.dtype == np.float32
    assert (both == np.maximum(first, second)).all() and first.any()


def test_a_video_without_frames_shows_nothing(nudity: NudityDetector) -> None:
    assert not nudity.detect([None, made_up_frames(0)]).any()
    assert nudity.detect([]).shape == (0, len(LABELS))


def test_a_plain_picture_shows_nobody(nudity: NudityDetector) -> None:
    plain = [np.full((1, SIDE, SIDE, 3), grey, np.uint8) for grey in (0, 128, 255)]
    assert nudity.detect(plain).max() < 0.05


def test_an_enlarged_frame_keeps_its_colours_and_sides() -> None:
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    frame[:112, :, 0] = 255  # red above
    frame[:, 112:, 2] = 51  # some blue on the right
    red, green, blue = enlarged(frame)
    assert red.shape == (320, 320) and not green.any()
    assert (red[:150] == 1).all() and not red[170:].any()
    assert np.abs(blue[:, 170:] - 0.2).max() < 1e-6 and not blue[:, :150].any()
