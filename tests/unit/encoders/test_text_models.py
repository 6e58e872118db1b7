"""What the multilingual text models understand, and that the vectors of two text models never meet."""

from itertools import permutations
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from encoders.annotate.tags import MIN_TOPIC_COSINES
from encoders.base import unit_rows
from encoders.export.e5.fit import by_language, centre
from encoders.export.e5.make import FITTED, PROJECTION
from encoders.export.multilingual.fusing import read_fitted, side_by_side
from encoders.export.multilingual.use_graph import packed
from encoders.fusion.embeddings import RETRIEVAL, fusion_of, with_fusion_version
from encoders.fusion.fusion import version_of
from encoders.modalities import audio, image
from encoders.modalities.configured import modalities_of
from encoders.modalities.text import TextEncoder
from encoders.modalities.text_models import E5, MULTILINGUAL, TEXT_MODELS, TextModel
from encoders.models.manifest import TEXT_FOLDERS, read
from encoders.models.provision import MEGABYTES
from ranker.catalogue.catalogue import Catalogue
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from streams.ranking.shared_state import SharedState
from tests.support.events import NOON

MODELS = ("e5", "minilm", "multilingual")


def test_each_table_names_every_text_model() -> None:
    assert {*MODELS} == TEXT_MODELS.keys()
    for table in (image.SCALES, audio.SCALES, MIN_TOPIC_COSINES):
        assert table.keys() == TEXT_MODELS.keys()
    assert MEGABYTES.keys() == TEXT_FOLDERS.keys() == TEXT_MODELS.keys() - {"minilm"}


MANY_LANGUAGES = ("e5", "multilingual")


@pytest.fixture(scope="module")
def e5(e5_models: Path) -> TextEncoder:
    return TextEncoder(e5_models, model="e5", provider="cpu")


@pytest.fixture(scope="module")
def multilingual(multilingual_models: Path) -> TextEncoder:
    return TextEncoder(multilingual_models, model="multilingual", provider="cpu")


@pytest.fixture(scope="module", params=MANY_LANGUAGES)
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    """Each of the models that know many languages."""
    found: TextEncoder = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("model", [E5, MULTILINGUAL], ids=lambda model: model.name)
def test_the_model_is_as_near_to_its_original_as_the_export_found_it(
    model: TextModel, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue("e5_models" if model is E5 else "multilingual_models")
    file = read(folder / model.folder).file(model.file)
    assert file is not None and file.parity["numpy_cosine_min"] > 0.998 and file.bytes < 160e6


SCRIPTS = {  # a form of compatibility, and the letters that it stands for
    "fullwidth Latin": ("\uff30\uff41\uff53\uff54\uff41", "Pasta"),
    "halfwidth Katakana": ("\uff76\uff9e\uff72\uff7a\uff78", "\u30ac\u30a4\u30b3\u30af"),
    "Arabic presentation forms": ("\ufee3\ufeae\ufea3\ufe92\ufe8e", "\u0645\u0631\u062d\u0628\u0627"),
    "Hangul of Jamo": ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "\ud55c\uad6d"),
    "Thai sara am": ("\u0e01\u0e4d\u0e32", "\u0e01\u0e33"),
    "Roman numeral": ("\u2163", "IV"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_form_of_compatibility_has_the_vector_of_its_letters(encoder: TextEncoder, script: str) -> None:
    written, plain = SCRIPTS[script]
    one, other = encoder.encode([f"{written} 1", f"{plain} 1"])
    assert written != plain and one.any() and (one == other).all()


@pytest.mark.parametrize("language", by_language())
def test_letters_and_marks_apart_and_what_cannot_be_seen_change_no_vector(encoder: TextEncoder, language: str) -> None:
    title = by_language()[language][0]
    hidden = title.replace(" ", " \u2063").join(("\ufeff", "\u200b"))
    forms = encoder.encode([title, normalize("NFD", title), normalize("NFKD", title), hidden])
    assert forms[0].any() and (forms == forms[0]).all()


SAYING_NOTHING = ("", " ", "\u2581", "\u200b\u2063", "\U000e0041", "\U00013000\U00013001", "\ue000")


@pytest.mark.parametrize("text", SAYING_NOTHING)
def test_a_text_without_a_known_piece_has_no_vector(encoder: TextEncoder, text: str) -> None:
    assert not encoder.encode([text]).any()


def test_a_title_cannot_write_the_models_own_tokens(encoder: TextEncoder) -> None:
    cats, ended, query = encoder.encode(["cats", "cats </s> <mask>", "query: cats"])
    assert not (cats == ended).all() and not (cats == query).all() and cats @ query > 0.5


def test_a_text_that_is_the_prefix_alone_is_a_text(encoder: TextEncoder) -> None:
    assert encoder.encode(["query:"]).any()


def test_the_languages_directions_are_what_separates_their_means() -> None:
    rng = np.random.default_rng(0)
    apart = np.eye(384, dtype=np.float32)[:3]
    subjects = rng.standard_normal((13, 384)).astype(np.float32) / 40
    rows = {str(at): subjects + apart[at] for at in range(3)}
    mean, directions = centre(rows)
    assert directions.shape == (384, 2) and np.allclose(directions.T @ directions, np.eye(2), atol=1e-5)
    kept = [(of_one - mean) - (of_one - mean) @ directions @ directions.T for of_one in rows.values()]
    assert np.abs(kept[0] - kept[1]).max() < 1e-5  # the same subjects, whatever the language


def test_what_was_fitted_is_what_separates_the_languages_of_its_titles(e5_models: Path, e5: TextEncoder) -> None:
    with np.load(FITTED) as fitted:
        mean, languages = fitted["mean"], fitted["languages"]
    projection = np.load(PROJECTION)
    assert (e5_models / E5.folder / E5.projection).read_bytes() == PROJECTION.read_bytes()
    assert mean.shape == (384,) and languages.shape == (384, len(by_language()) - 1)
    for directions in (languages, projection):
        assert np.allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=1e-5)
    rows = {language: e5.encode(titles_of_one) for language, titles_of_one in by_language().items()}
    assert max(np.abs(of_one @ languages).max() for of_one in rows.values()) < 1e-5
    means = np.stack([of_one.mean(axis=0) for of_one in rows.values()])
    assert np.linalg.norm(means - means.mean(axis=0), axis=1).max() < 0.15


# two models, two versions


@pytest.fixture(scope="module")
def everything(e5_models: Path, multilingual_models: Path) -> Path:
    """The model folder with all text models in it."""
    assert e5_models == multilingual_models
    return e5_models


def settings_of(models: Path, text_model: str) -> Settings:
    return Settings.model_validate({"cache_dir": models.parents[1], "text_model": text_model})


def embedded_by(models: Path, text_model: str) -> Encoded:
    """A video as an encoding agent with this setting leaves it."""
    settings = settings_of(models, text_model)
    [text] = [one for one in modalities_of(settings) if one.name == "text"]
    row = np.random.default_rng(0).standard_normal(text.dim).astype(np.float32)
    fusion = fusion_of(settings)
    made = {
        "text": encode_vector(f"text-{text_model}@{text.version}", row),
        RETRIEVAL: encode_vector(version_of(fusion.version), fusion({"text": row[None, :]})[0]),
    }
    return Encoded(video_id="v1", at_ms=NOON, vectors={name: one for name, one in made.items() if one})


def test_what_the_encoder_for_sixteen_languages_says_counts_less_in_another_language(multilingual_models: Path) -> None:
    fitted, rng = read_fitted(), np.random.default_rng(0)
    use = unit_rows(rng.standard_normal((2, 512)).astype(np.float32))
    along = 4 * fitted.known[:-1] / (fitted.known[:-1] @ fitted.known[:-1])  # makes the logit 4 larger
    at = (fitted.e5_mean @ fitted.known[:-1] + fitted.known[-1]) / 4
    rows = fitted.e5_mean + np.outer([1 - at, -1 - at], along)  # logits of 4 and -4
    lengths = np.linalg.norm(side_by_side(rows.astype(np.float32), use, fitted)[:, 384:], axis=1)
    assert lengths[0] > 0.5 > 0.1 > lengths[1]


def test_six_bits_are_packed_and_unpacked_without_loss() -> None:
    rows = np.random.default_rng(0).integers(0, 64, (5, 512), np.uint8)
    one, two, three = np.split(packed(rows), 3, axis=1)
    found = np.stack([one >> 2, (one & 3) << 4 | two >> 4, (two & 15) << 2 | three >> 6, three & 63], axis=-1)
    assert (found.reshape(5, 512) == rows).all() and packed(rows).shape == (5, 384)


def test_the_model_is_in_every_version(everything: Path) -> None:
    made = [embedded_by(everything, one).vectors for one in MODELS]
    for name in ("text", RETRIEVAL):
        assert len({vectors[name].encoder for vectors in made}) == len(MODELS)


@pytest.mark.parametrize(("reading", "made"), list(permutations(MODELS, 2)))
def test_a_reader_with_another_model_compares_nothing_and_keeps_the_video(
    everything: Path, reading: str, made: str
) -> None:
    settings, video = settings_of(everything, reading), embedded_by(everything, made)
    fusion = fusion_of(settings)
    assert with_fusion_version(video, fusion, modalities_of(settings)) is video
    catalogue = Catalogue(encoder=version_of(fusion.version))
    shared = SharedState(settings, catalogue, fusion)
    assert shared._with_fusion_version(video) == video
    assert video.vectors[RETRIEVAL].encoder != catalogue.encoder
