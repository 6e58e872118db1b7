"""A title's language is told where it can be, and what tells detectors apart can be counted by hand."""

import pytest

from encoders.annotate.language import language_of
from tests.bench.detectors import SILENT, judged
from tests.bench.titles import AGAIN, ENGLISH, titles


@pytest.mark.parametrize("code", sorted(titles()))
def test_nine_in_ten_titles_of_every_language_are_told(code: str) -> None:
    expected = ENGLISH if code == AGAIN else code
    answers = [language_of(title) for title in titles()[code]]
    assert answers.count(expected) >= 36  # seen: 37 to 40
    assert len([answer for answer in answers if answer not in (expected, None)]) <= 2


def test_what_has_no_language_gets_none() -> None:
    assert [text for text in SILENT if language_of(text)] == []
    assert language_of(None) is None and language_of("") is None and language_of(" \n") is None


def test_no_text_however_odd_fails() -> None:
    for text in ("\ud800 lone surrogate", "\x00\x01", "a" * 1_000_000, "🐱" * 9000, "\u202e" * 5):
        assert language_of(text) is None or len(language_of(text) or "") == 2


def test_a_long_text_is_told_by_its_beginning() -> None:
    german = "Heute räume ich endlich mein Zimmer auf. " * 30
    assert len(german) > 1000
    assert language_of(german + "Now in English, for the rest of this text. " * 300) == "de"


def test_a_detector_is_judged_by_answers_it_should_not_give_as_well() -> None:
    guesses = [("en", 0.9), ("de", 0.8), ("fr", 0.3), ("en", 0.2), (None, 0.0)]
    found = judged(guesses, ["en", "de", "de", None, None])
    assert found.right == {"en": 1.0, "de": 0.5}
    assert (found.limit, found.answered, found.wrong, found.silent) == (0.31, 2 / 3, 0.0, 0.0)
