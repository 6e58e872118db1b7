"""What a record says of a video beside its vectors, and which models a process has in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.base import Content
from encoders.embedder import VideoEmbedder
from encoders.fusion.embeddings import RETRIEVAL
from encoders.modalities.opened import OpenedEncoders
from encoders.modalities.text import TextEncoder
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from tests.support.events import uploaded
from tests.support.models import made_up_frames, real_embedder, real_models

GERMAN = "Frische Nudeln selbst gemacht"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(cache_dir=real_models().parents[1], provider="cpu")


@pytest.fixture(scope="module")
def embedder() -> VideoEmbedder:
    return real_embedder()


@pytest.mark.parametrize(
    ("upload", "language"),
    [
        ({"title": GERMAN}, "de"),
        ({"title": "GTA V", "description": GERMAN}, "de"),
        ({"title": None, "description": "家で生パスタを作る方法"}, "ja"),
        ({"title": GERMAN, "language": "en"}, "en"),  # what the creator says counts, right or wrong
        ({"title": GERMAN, "language": "de-AT"}, "de-AT"),
        ({"title": GERMAN, "language": ""}, "de"),
        ({"title": "#fyp 24/7"}, None),
        ({"title": "GTA V"}, None),
        ({"title": "24/7", "tags": GERMAN.split(), "category": "Selbstgemachtes"}, None),  # tags are in any language
        ({"title": None, "media_uri": "v7.mp4"}, None),
    ],
)
def test_a_language_is_the_creators_or_that_of_title_and_description(
    embedder: VideoEmbedder, upload: dict[str, Any], language: str | None
) -> None:
    (video,) = embedder.features([uploaded("v7", **upload)])
    assert isinstance(video, Encoded) and video.language == language


@pytest.fixture(scope="module")
def just_opened(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[VideoEmbedder, Path]:
    """One with empty folders that has seen nothing, and its folder; encoding the labels is left out."""
    folder = tmp_path_factory.mktemp("opened")
    (folder / "cache").mkdir()
    (folder / "cache/models").symlink_to(settings.cache_dir / "models")
    folders = {"cache_dir": folder / "cache", "data_dir": folder / "data"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextEncoder, "encode", lambda _, texts: np.ones((len(texts), TextEncoder.dim), np.float32))
        return VideoEmbedder.of(settings.model_copy(update=folders)), folder


def test_an_encoding_agent_has_every_model_open_before_the_first_upload(
    just_opened: tuple[VideoEmbedder, Path],
) -> None:
    encoders = just_opened[0].encoders
    assert isinstance(encoders, OpenedEncoders)
    assert encoders.in_memory == ("text", "image", "audio") == tuple(encoders)


def test_vectors_of_labels_are_kept_in_the_folder_that_an_encoding_agent_may_write(
    just_opened: tuple[VideoEmbedder, Path],
) -> None:
    folder = just_opened[1]
    assert {file.parent for file in folder.rglob("*.sqlite")} == {folder / "data/labels"}


def test_a_replay_opens_the_text_model_alone(settings: Settings) -> None:
    replaying = VideoEmbedder.of(settings.model_copy(update={"nudity": True}), replaying=True)
    assert isinstance(replaying.encoders, OpenedEncoders) and replaying.encoders.in_memory == ()
    replaying.features([uploaded("v7", title=GERMAN), uploaded("v8", media_uri="v8.mp4")])
    assert replaying.encoders.in_memory == ("text",) and replaying.moderation.nudity is None


def test_a_replay_that_is_given_pictures_opens_their_model_too(settings: Settings) -> None:
    replaying = VideoEmbedder.of(settings, replaying=True)
    (video,) = replaying.features([uploaded("v7", title=None)], [Content(frames=made_up_frames(2))])
    assert isinstance(video, Encoded) and video.vectors.keys() == {"image", RETRIEVAL}
    assert isinstance(replaying.encoders, OpenedEncoders) and replaying.encoders.in_memory == ("image",)


@pytest.mark.parametrize(
    ("declared_ms", "measured_ms", "kept_ms"),
    [
        (None, 21_000, 21_000),
        (9_000, 21_000, 9_000),
        (0, 21_000, 0),
        (9_000, None, 9_000),
        (None, None, None),
        (None, 0, None),
    ],
)
def test_a_measured_length_fills_one_that_is_missing_and_a_declared_one_wins(
    embedder: VideoEmbedder, declared_ms: int | None, measured_ms: int | None, kept_ms: int | None
) -> None:
    (video,) = embedder.features([uploaded("v7", duration_ms=declared_ms)], [Content(duration_ms=measured_ms)])
    assert isinstance(video, Encoded) and video.duration_ms == kept_ms


@pytest.mark.parametrize(
    "title",
    [
        "".join(chr(0x1D5EE + ord(letter) - ord("a")) if letter != " " else " " for letter in "how to cook pasta"),
        "".join(chr(0xFF41 + ord(letter) - ord("a")) if letter != " " else "\u3000" for letter in "how to cook pasta"),
        "h\u200bow t\u200do co\u2060ok pa\ufeffsta",
    ],
    ids=["bold", "fullwidth", "zero width"],
)
def test_a_title_has_the_vector_of_its_plain_letters_and_is_stored_as_it_was_written(
    embedder: VideoEmbedder, title: str
) -> None:
    written, plain = embedder.features([uploaded("a", title=title), uploaded("b", title="how to cook pasta")])
    assert isinstance(written, Encoded) and isinstance(plain, Encoded)
    assert written.title == title and written.vectors["text"] == plain.vectors["text"]


def test_a_title_of_one_very_long_word_says_something(embedder: VideoEmbedder) -> None:
    (found,) = embedder.features([uploaded("a", title="howtocookpasta" * 20)])
    assert isinstance(found, Encoded) and "text" in found.vectors


def test_a_record_keeps_what_shows_the_video(embedder: VideoEmbedder) -> None:
    address = {"media_uri": "https://cdn.example.com/v1.mp4", "thumbnail_uri": "https://cdn.example.com/v1.jpg"}
    record = embedder.features([uploaded("v1", description="with butter", **address)])[0]
    assert isinstance(record, Encoded)
    assert (record.description, record.media_uri, record.thumbnail_uri) == ("with butter", *address.values())
