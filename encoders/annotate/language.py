"""The language of a short text, by its letters and words, with the model that py3langid brings."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from schemas.messages.plain_text import plain_text

MIN_CONFIDENCE = (
    0.3  # measured on 440 titles (docs/content/measurements.md): 99.5 % are answered, 0.7 % of the answers wrong
)
MAX_CHARS = 1000  # characters; a guess, which keeps a huge text from costing time
NO_LANGUAGE = "zxx"  # the library's code for emoji, numbers and markup


def language_of(text: str | None) -> str | None:
    """The ISO 639-1 code of a text's language, or None where it is uncertain.

    A naive Bayes classifier over byte n-grams (Lui & Baldwin 2012, "langid.py"), retrained and bundled by
    py3langid. Two or three words that are names in most languages are uncertain, and rightly so.

    >>> language_of("Frische Nudeln selbst gemacht"), language_of("家で生パスタを作る方法")
    ('de', 'ja')
    >>> language_of("#fyp 24/7") is None
    True
    """
    if not text or not text.strip():
        return None
    language, confidence = _identifier().classify(plain_text(text[:MAX_CHARS]))
    return None if confidence < MIN_CONFIDENCE or language == NO_LANGUAGE else str(language)


def load_detector() -> None:
    """Open the model now: it takes a second, which no upload should have to wait for."""
    _identifier()


@cache
def _identifier() -> LanguageIdentifier:
    """The bundled model without languages that ISO 639-1 has no code for: a second and 105 MB, opened once.

    The dialects and creoles among those were taken for Chinese, Arabic, Hindi and English titles (8 of 440).
    """
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([NO_LANGUAGE, *(code for code in identifier.labels if len(code) == 2)])
    return identifier
