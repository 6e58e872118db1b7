"""What the encoding agent makes of an upload's media: contents, and a dead letter where something is wrong."""

from pathlib import Path

import pytest

from schemas.messages.dead_letters import Reason
from schemas.messages.videos import Uploads
from schemas.settings.model import Settings
from streams.encoding.media_loader import MediaLoader
from streams.kafka.records import Record
from tests.support.clips import clip
from tests.support.events import uploaded, withdrew


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
