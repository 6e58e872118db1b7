"""Real clips and made ones, from their files to tags, similar videos and searches: what the demo shows."""

from pathlib import Path

import pytest

from encoders.base import Content
from encoders.embedder import VideoEmbedder
from encoders.media.sandbox_client import MediaReader
from ranker.library.duplicates import reuploads
from ranker.library.library import RETRIEVAL, VideoLibrary
from schemas.messages.videos import Encoded, Upload
from streams.demo.clips import MADE, Clip, put_clips
from tests.support.events import NOON
from tests.support.paths import DATA

HERE = (DATA / "clips").exists() and (DATA / "audio").exists()
SEEN, HEARD = {"image", "image_text"}, {"audio", "audio_text"}
real = pytest.mark.skipif(not HERE, reason="needs clips and audio; set FRESHET_TEST_DATA")


def described(clips: list[Clip], folder: Path, embedder: VideoEmbedder, reader: MediaReader) -> VideoLibrary:
    gallery = VideoLibrary()
    for clip in clips:
        media = reader.read((folder / clip.file).read_bytes())
        content = Content(frames=media.frames, sound=media.sound)
        upload = Upload(video_id=clip.file, at_ms=NOON, title=clip.title, duration_ms=media.duration_ms)
        gallery.take(embedder.features([upload], [content]))
    return gallery


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, embedder: VideoEmbedder, reader: MediaReader) -> VideoLibrary:
    folder = tmp_path_factory.mktemp("media")
    clips = put_clips(DATA / "clips", folder / "clips"), put_clips(DATA / "audio", folder / "audio")
    found = described(clips[0], folder / "clips", embedder, reader)
    for video in described(clips[1], folder / "audio", embedder, reader).videos.values():
        found.videos[f"audio-{video.video_id}"] = Encoded(
            video_id=f"audio-{video.video_id}",
            at_ms=video.at_ms,
            title=video.title,
            tags=video.tags,
            vectors=video.vectors,
            labels=video.labels,
        )
    return found


def titled(gallery: VideoLibrary, words: str) -> Encoded:
    return next(video for video in gallery.videos.values() if words in (video.title or ""))


@real
def test_pictures_get_the_names_of_what_they_show(gallery: VideoLibrary) -> None:
    assert "water bottle" in titled(gallery, "bottle").tags


@real
def test_music_gets_its_genre(gallery: VideoLibrary) -> None:
    assert "jazz" in titled(gallery, "Jazz Trumpet").tags and "jazz" in titled(gallery, "Vibe Ace").tags


@real
def test_a_clip_with_pictures_and_sound_has_all_three_modalities_and_one_without_sound_two(
    gallery: VideoLibrary,
) -> None:
    assert titled(gallery, "bunny").vectors.keys() == {"text", *SEEN, *HEARD, RETRIEVAL}
    assert titled(gallery, "bottle").vectors.keys() == {"text", *SEEN, RETRIEVAL}
    assert titled(gallery, "Sense and Sensibility").vectors.keys() == {"text", *HEARD, RETRIEVAL}


@real
def test_what_is_read_aloud_sounds_like_what_is_read_aloud(gallery: VideoLibrary) -> None:
    readers = {titled(gallery, name).video_id for name in ("Sense and Sens", "Chivalry", "Ashiel Mystery")}
    for video_id in sorted(readers):
        [hit] = gallery.similar(video_id, "audio", 1)
        assert hit.video.video_id in readers


@real
@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("a rabbit", "bunny"),
        ("whales singing in the ocean", "humpback"),
        ("a detective novel", "Ashiel Mystery"),
        ("a dance by a classical composer", "Hungarian Dance"),
    ],
)
def test_a_search_in_other_words_finds_the_clip(
    gallery: VideoLibrary, embedder: VideoEmbedder, words: str, title: str
) -> None:
    [hit] = gallery.near(embedder.encoders["text"].encode([words])[0], "text", 1)
    assert title in (hit.video.title or "")


def test_a_made_clip_has_all_modalities_and_a_copy_under_another_title_is_a_reupload(
    tmp_path: Path, embedder: VideoEmbedder, reader: MediaReader
) -> None:
    clips = put_clips(None, tmp_path)
    assert [clip.title for clip in clips] == list(MADE)
    gallery = described(clips, tmp_path, embedder, reader)
    assert all(video.vectors.keys() == {"text", *SEEN, *HEARD, RETRIEVAL} for video in gallery.videos.values())
    (tmp_path / "copy.mp4").write_bytes((tmp_path / clips[0].file).read_bytes())
    gallery.take(described([Clip("copy.mp4", "mine, all mine")], tmp_path, embedder, reader).videos.values())
    assert [(one.video_id, other.video_id) for one, other, _ in reuploads(gallery, embedder.modalities.same)] == [
        (clips[0].file, "copy.mp4")
    ]
