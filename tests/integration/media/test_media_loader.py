"""An upload's media: the video, the thumbnail where it has no picture, and a dead letter where something is wrong."""

import asyncio
from pathlib import Path

import pytest

from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Media, MediaError
from schemas.messages.dead_letters import Reason
from schemas.messages.videos import Upload, Uploads
from schemas.settings.media_hosts import hosts
from schemas.settings.model import Settings
from streams.encoding.fetch import Rules, fetch
from streams.encoding.local_files import UrlForbidden
from streams.encoding.media_loader import FetchedMedia, MediaLoader, fetch_media, limits_of
from streams.kafka.records import Record
from tests.support.clips import clip, still
from tests.support.events import uploaded, withdrew
from tests.support.media_asserts import frames_of


def record(offset: int) -> Record:
    return Record("freshet.uploads.v1", 0, offset, 0, b"v", b"{}")


@pytest.fixture
def contents(tmp_path: Path) -> MediaLoader:
    (tmp_path / "good.mp4").write_bytes(clip(seconds=1))
    (tmp_path / "silent.mp4").write_bytes(clip(seconds=1, audio=None))
    (tmp_path / "noise.mp4").write_bytes(b"no video at all" * 100)
    return MediaLoader(Settings(media_root=str(tmp_path)))


async def test_each_upload_gets_its_own_content_in_order(contents: MediaLoader) -> None:
    batch: list[Uploads] = [
        uploaded("a", media_uri="good.mp4"),
        withdrew("b"),
        uploaded("c", title="a text alone"),
        uploaded("d", media_uri="silent.mp4"),
    ]
    seen = await contents.load_batch([(record(at), one) for at, one in enumerate(batch)])
    good, gone, text, silent = seen.contents
    assert good is not None and good.frames is not None and good.sound is not None
    assert gone is None and text is None
    assert silent is not None and silent.frames is not None and silent.sound is None
    assert [one.duration_ms for one in (good, silent)] == [pytest.approx(1000, abs=100)] * 2
    assert seen.dead_letters == []


async def test_what_cannot_be_read_is_a_dead_letter_and_the_video_stays(contents: MediaLoader) -> None:
    batch = [uploaded("a", media_uri="noise.mp4"), uploaded("b", media_uri="https://elsewhere.example/v.mp4")]
    seen = await contents.load_batch([(record(at), one) for at, one in enumerate(batch)])
    assert [letter.reason for letter in seen.dead_letters] == [Reason.MEDIA, Reason.URL_FORBIDDEN]
    assert [letter.offset for letter in seen.dead_letters] == [0, 1]
    assert all(one is not None and one.frames is None and one.sound is None for one in seen.contents)


async def test_a_thumbnail_stands_in_for_pictures_that_are_missing(contents: MediaLoader, tmp_path: Path) -> None:
    (tmp_path / "sound.mp4").write_bytes(clip(seconds=1, video=None))
    [one] = (
        await contents.load_batch([(record(0), uploaded("a", media_uri="sound.mp4", thumbnail_uri="good.mp4"))])
    ).contents
    assert one is not None and one.frames is not None and one.sound is not None
    assert one.duration_ms == pytest.approx(1000, abs=100)  # the sound's


async def test_a_thumbnail_says_nothing_of_how_long_the_video_is(contents: MediaLoader) -> None:
    [one] = (await contents.load_batch([(record(0), uploaded("a", thumbnail_uri="good.mp4"))])).contents
    assert one is not None and one.frames is not None and one.duration_ms is None


# one upload


async def found(
    root: Path, reader: MediaReader, media_uri: str | None, thumbnail_uri: str | None = None
) -> FetchedMedia:
    upload = Upload(video_id="v7", at_ms=1650000000000, title="x", media_uri=media_uri, thumbnail_uri=thumbnail_uri)

    async def read(uri: str) -> Media:
        return await asyncio.to_thread(reader.read, await fetch(uri, Rules(hosts(""), root, 10_000_000, 10.0)))

    return await fetch_media(upload, read)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    for name, data in {
        "v7.mp4": clip(),
        "song.mp3": clip(form="mp3", video=None, audio="mp3"),
        "cover.jpg": still("mjpeg"),
        "text.mp4": b"no video",
    }.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


async def test_a_thumbnail_is_only_read_where_the_video_gives_no_picture(shelf: Path, reader: MediaReader) -> None:
    both = await found(shelf, reader, "v7.mp4", "text.mp4")
    frames_of(both.media, 8)
    assert both.fault is None  # the thumbnail was not looked at
    song = await found(shelf, reader, "song.mp3", "cover.jpg")
    frames_of(song.media, 1)
    assert song.media.sound is not None and song.media.duration_ms == pytest.approx(2000, abs=100)
    assert song.fault is None


async def test_a_fault_is_told_beside_what_was_found(shelf: Path, reader: MediaReader) -> None:
    broken = await found(shelf, reader, "text.mp4", "cover.jpg")
    frames_of(broken.media, 1)
    assert isinstance(broken.fault, MediaError) and "cannot be opened" in str(broken.fault)
    forbidden = await found(shelf, reader, "https://evil.test/v7.mp4", "../cover.jpg")
    assert forbidden.media.frames is None
    assert isinstance(forbidden.fault, UrlForbidden) and "evil.test" in str(forbidden.fault)


async def test_an_upload_without_media_has_none_and_no_fault(shelf: Path, reader: MediaReader) -> None:
    nothing = await found(shelf, reader, None)
    assert (nothing.media.frames, nothing.media.sound, nothing.fault) == (None, None, None)


def test_the_settings_bound_a_file() -> None:
    limits = limits_of(Settings(media_bytes=1000, media_s=3.0))
    assert (limits.bytes, limits.wall_s) == (1000, 3.0)
