"""Clips and recordings that nobody gave a title are found by words, in five languages where the model knows them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoders.base import Content, TextModelName
from encoders.embedder import VideoEmbedder
from encoders.media.sandbox_client import MediaReader
from ranker.library.by_words import near_words
from ranker.library.library import Hit, VideoLibrary
from schemas.messages.videos import Encoded, Upload
from schemas.settings.load import load
from streams.demo.untitled import FILE, VIDEO, WORDS, check_of, put_untitled, search_for_it
from streams.encoding.media_loader import content_in
from streams.operations.backfill import missing_uploads
from streams.operations.snapshot import with_current_vectors
from tests.bench.text_models import LABELLED, read
from tests.support.events import NOON, uploaded
from tests.support.models import real_models, real_models_with
from tests.support.paths import DATA

HERE = (DATA / "clips").exists() and (DATA / "audio").exists()
real = pytest.mark.skipif(not HERE, reason="needs clips and audio; set FRESHET_TEST_DATA")
FILES = {
    "bottle": "clips/intel__bottle-detection.mp4",
    "bunny": "clips/moviepy__big_buck_bunny_0_30.webm",
    "trumpet": "audio/sorohanro_-_solo-trumpet-06.ogg",
}
BOTTLE = {
    "en": "bottle of water",
    "de": "Wasserflasche",
    "es": "botella de agua",
    "ru": "бутылка воды",
    "zh": "一瓶水",
}
TRUMPET = {"en": "jazz music", "de": "Jazzmusik", "es": "música de jazz", "ru": "джазовая музыка", "zh": "爵士音乐"}
PASTA = {"en": "Homemade pasta for Sunday", "words": "hausgemachte Nudeln"}


def embedder_of(text_model: TextModelName) -> VideoEmbedder:
    folder = real_models().parents[1]  # its labels/ is kept between runs
    given = {"cache_dir": folder, "data_dir": folder, "provider": "cpu", "text_model": text_model}
    return VideoEmbedder.of(load(given, {}, None).settings)


@pytest.fixture(scope="module")
def e5() -> VideoEmbedder:
    real_models_with("e5")
    return embedder_of("e5")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, reader: MediaReader) -> dict[str, Content]:
    folder = tmp_path_factory.mktemp("untitled")
    put_untitled(folder, NOON)
    files = {VIDEO: folder / FILE} | ({name: DATA / file for name, file in FILES.items()} if HERE else {})
    return dict(contents(files, reader))


def contents(files: dict[str, Path], reader: MediaReader) -> Iterator[tuple[str, Content]]:
    for name, file in files.items():
        content = content_in(reader.read(file.read_bytes()))
        assert content is not None
        yield name, content


def library(embedder: VideoEmbedder, media: dict[str, Content]) -> VideoLibrary:
    """The clips without titles, among two hundred English titles without pictures."""
    titles = [uploaded(f"t{n}", title=row["en"]) for n, row in enumerate(read(LABELLED))]
    titles.append(uploaded("pasta", title=PASTA["en"]))
    found = VideoLibrary()
    found.take(embedder.features([uploaded(name, title=None, media_uri=name) for name in media], [*media.values()]))
    found.take(embedder.features(titles))
    return found


def search(embedder: VideoEmbedder, of: VideoLibrary, words: str, k: int = 5) -> list[Hit]:
    return near_words(of, embedder.encoders["text"].encode([words])[0], embedder.modalities.met_by_words, k)


@pytest.fixture(scope="module")
def multilingual(e5: VideoEmbedder, media: dict[str, Content]) -> VideoLibrary:
    return library(e5, media)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_drawn_clock_is_found_first_in_five_languages(
    e5: VideoEmbedder, multilingual: VideoLibrary, words: str
) -> None:
    first = search(e5, multilingual, words)[0]
    assert (first.video.video_id, first.video.title, first.by) == (VIDEO, None, "image_text")


def test_the_clock_is_found_in_five_languages_by_the_two_models_in_one_as_well(
    multilingual_models: Path, media: dict[str, Content]
) -> None:
    both = embedder_of("multilingual")
    of = library(both, {VIDEO: media[VIDEO]})
    firsts = [search(both, of, words)[0] for words in WORDS.values()]
    assert [(first.video.video_id, first.by) for first in firsts] == [(VIDEO, "image_text")] * 5


@real
@pytest.mark.parametrize("words", BOTTLE.values(), ids=BOTTLE)
def test_a_silent_clip_of_bottles_is_found_in_five_languages(
    e5: VideoEmbedder, multilingual: VideoLibrary, words: str
) -> None:
    found = [(hit.video.video_id, hit.by) for hit in search(e5, multilingual, words)]
    assert ("bottle", "image_text") in found


@real
@pytest.mark.parametrize("words", TRUMPET.values(), ids=TRUMPET)
def test_a_recording_of_a_trumpet_is_found_in_five_languages(
    e5: VideoEmbedder, multilingual: VideoLibrary, words: str
) -> None:
    assert ("trumpet", "audio_text") in [(hit.video.video_id, hit.by) for hit in search(e5, multilingual, words)]


def test_a_query_in_another_language_than_the_title_finds_it(e5: VideoEmbedder, multilingual: VideoLibrary) -> None:
    first = search(e5, multilingual, PASTA["words"])[0]
    assert first.by == "text" and "pasta" in (first.video.title or "").lower()


def test_the_demo_searches_for_the_clock_in_english_and_says_whether_it_is_found(media: dict[str, Content]) -> None:
    minilm, settings = embedder_of("minilm"), load({"cache_dir": real_models().parents[1]}, {}, None).settings
    of = library(minilm, {VIDEO: media[VIDEO]})
    found = search_for_it(settings, of, minilm.modalities)
    assert found == {WORDS["en"]: (VIDEO, "image_text")} and check_of(found).holds
    of.videos.pop(VIDEO)
    assert not check_of(search_for_it(settings, VideoLibrary(of.videos), minilm.modalities)).holds


def test_what_an_earlier_release_wrote_stays_usable_and_a_backfill_describes_it(
    e5: VideoEmbedder, multilingual: VideoLibrary
) -> None:
    now = multilingual.videos[VIDEO]
    assert isinstance(now, Encoded)
    kept = {name: of for name, of in now.vectors.items() if name not in ("image_text", "audio_text")}
    earlier = VideoLibrary()
    earlier.take([Encoded(video_id=VIDEO, at_ms=now.at_ms, vectors=kept)])
    current = with_current_vectors(earlier.videos[VIDEO], e5.fusion, e5.modalities)
    assert current.vectors == kept  # and nothing counts as made by other models
    assert not any(e5.modalities.is_outdated(name, of.encoder) for name, of in kept.items())
    upload = Upload(video_id=VIDEO, at_ms=now.at_ms, media_uri=FILE)
    assert missing_uploads([upload], earlier, e5.modalities) == [upload]
    assert missing_uploads([upload], multilingual, e5.modalities) == []


def test_vectors_of_two_text_models_are_never_compared(e5: VideoEmbedder, media: dict[str, Content]) -> None:
    minilm = embedder_of("minilm")
    one, other = (of.embed([(uploaded(VIDEO, title=None, media_uri=FILE), media[VIDEO])])[0] for of in (e5, minilm))
    assert isinstance(one, Encoded) and isinstance(other, Encoded)
    assert one.vectors["image"] == other.vectors["image"]
    assert one.vectors["image_text"].encoder != other.vectors["image_text"].encoder
    assert not np.array_equal(one.vectors["image_text"].data, other.vectors["image_text"].data)
    left = with_current_vectors(other, e5.fusion, e5.modalities).vectors
    assert left.keys() == {"image", "retrieval"} and left["retrieval"].encoder != other.vectors["retrieval"].encoder
