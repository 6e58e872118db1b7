"""What the multilingual text models make of labelled titles that they did not learn from."""

from pathlib import Path

import numpy as np
import pytest

from encoders.annotate.tags import LEARNED, MIN_TOPIC_COSINES, TOPICS, built_in_topics
from encoders.base import TextModelName, Vectors
from encoders.modalities.text import TextEncoder
from encoders.moderation.harm import FITTED, Harm
from encoders.moderation.policy import THRESHOLDS
from schemas.settings.model import Settings
from streams.operations.snapshot import text_vector
from tests.bench import gate, topics
from tests.bench.titles import AGAIN, ENGLISH, titles

MANY_LANGUAGES: tuple[TextModelName, ...] = ("e5", "multilingual")
ASKED = (AGAIN, "de", "es", "fr", "pt", "ru", "ja", "zh", "hi", "ar")
LEAST = {"hi": 0.93, "ar": 0.93}  # of forty titles that find their English twin; elsewhere 0.95


@pytest.fixture(scope="module", params=MANY_LANGUAGES)
def model(request: pytest.FixtureRequest) -> TextModelName:
    """Each of the models that know many languages."""
    name: TextModelName = request.param
    return name


@pytest.fixture(scope="module")
def encoder(model: TextModelName, request: pytest.FixtureRequest) -> TextEncoder:
    folder: Path = request.getfixturevalue(f"{model}_models")
    return TextEncoder(folder, model=model, provider="cpu", topics=built_in_topics(model))


@pytest.fixture(scope="module")
def embedded(encoder: TextEncoder) -> dict[str, Vectors]:
    return {language: encoder.encode(titles()[language]) for language in (ENGLISH, *ASKED)}


@pytest.mark.parametrize("language", ASKED)
def test_a_title_finds_its_english_twin_and_is_no_nearer_to_its_own_language(
    embedded: dict[str, Vectors], language: str
) -> None:
    rows = embedded[language]
    nearest = (rows @ embedded[ENGLISH].T).argmax(axis=1)
    assert np.mean(nearest == np.arange(len(rows))) >= LEAST.get(language, 0.95)
    company = rows @ rows.T
    assert (company.sum() - len(rows)) / (company.size - len(rows)) < 0.25


SEARCHES = {
    "ein Baby-Elefant": "Baby elephant takes its first bath",
    "शतरंज का इतिहास": "The history of chess in five minutes",
    "ثوران بركان": "A volcano erupts on the island",
    "冰钓": "Fishing in the frozen lake",
    "gitar öğrenmek": "Learning to play the guitar in thirty days",
}


def test_a_search_in_another_language_finds_the_english_title(
    models: Path, model: TextModelName, encoder: TextEncoder, embedded: dict[str, Vectors]
) -> None:
    vectors = encoder.encode(list(SEARCHES))
    settings = Settings(cache_dir=models.parents[1], text_model=model)
    assert (text_vector(settings, next(iter(SEARCHES))) == vectors[0]).all()  # of the command
    found = (vectors @ embedded[ENGLISH].T).argmax(axis=1)
    assert [titles()[ENGLISH][place] for place in found] == list(SEARCHES.values())


def test_learned_topics_are_those_of_the_present_multilingual_model(model: TextModelName, encoder: TextEncoder) -> None:
    assert encoder.labels == tuple(TOPICS)
    with np.load(LEARNED[model], allow_pickle=False) as stored:
        assert str(stored["model"]) == encoder.version, "run `python -m tests.bench.topics --fit`"
    of = topics.asked(topics.TITLES)
    rows = np.flatnonzero(of.languages != ENGLISH)
    shares = encoder.classify([of.texts[row] for row in rows]).shares
    found = topics.tagged(shares, of.topics[rows], MIN_TOPIC_COSINES[model])
    assert found.nearest > 0.75 and found.found > 0.5 and found.right > 0.75  # seen: 0.84, 0.61, 0.85


def test_harm_was_learned_from_the_present_model_and_finds_most_of_what_was_not_learned(encoder: TextEncoder) -> None:
    of, harm = gate.judged(gate.TITLES), Harm.of(encoder.version)
    assert harm is not None, "run `python -m tests.bench.gate --fit`"
    limited = np.array([harm(row) >= THRESHOLDS["harm"].limit for row in encoder.encode(of.texts)])
    assert limited[of.harmful].mean() > 0.65 and limited[~of.harmful].mean() < 0.03  # seen: 0.74 and 0.00
    assert harm(np.zeros(384, np.float32)) == 0.0


def test_what_is_learned_of_a_model_is_there_for_each_that_knows_many_languages() -> None:
    assert {*LEARNED} == {*FITTED} == {*MANY_LANGUAGES}
