"""Files that are no usable video: each gets a sentence, and none gets anything else."""

import socket
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Limits, MediaError
from schemas.messages.dead_letters import Reason
from tests.support.clips import PLAYLISTS, clip, elsewhere, many_streams, playlist, png, still
from tests.support.media_asserts import is_the_scene


def refusal(reader: MediaReader, data: bytes) -> str:
    with pytest.raises(MediaError) as caught:
        reader.read(data)
    assert caught.value.reason is Reason.MEDIA
    assert not caught.value.passing
    return str(caught.value)


BAD = {
    "text": lambda: b"Street food in Osaka",
    "zeros": lambda: bytes(100_000),
    "a page": lambda: b"<!doctype html><title>Not found</title>" * 100,
    "a program": lambda: b"\x7fELF\x02\x01\x01" + bytes(1000),
    "a zip": lambda: b"PK\x03\x04" + bytes(1000),
    "the first box alone": lambda: clip()[:32],
    "a PNG of 100,000 x 100,000": lambda: png(100_000, 100_000, rows=2),
    "a PNG of 7,000 x 7,000 that unfolds to 147 MB": lambda: png(7000, 7000),
    "a PNG one pixel wide and 36,000,001 high": lambda: png(1, 36_000_001, rows=2),
    "a PNG without rows": lambda: png(64, 64, rows=0),
    "a thousand streams": lambda: many_streams(1000),
    "ten hours": lambda: clip(36_000, rate=Fraction(1, 1800), audio=None),
    **{f"a playlist: {kind}": partial(playlist, kind, "v7.mp4") for kind in PLAYLISTS},
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_usable_video_is_refused_in_a_sentence(reader: MediaReader, kind: str) -> None:
    said = refusal(reader, BAD[kind]())
    assert len(said) > 20 and said.isprintable()
    assert reader.last is not None and reader.last.reason == "" and not reader.last.late  # by the decoder, not by force
    assert reader.last.memory_kib < 200_000


def test_a_file_that_is_empty_or_too_large_is_refused_before_anything_is_started() -> None:
    reader = MediaReader(Limits(bytes=1000))
    assert "is empty" in refusal(reader, b"")
    assert "has 1001 bytes, 1000 are allowed" in refusal(reader, bytes(1001))
    assert reader.last is None and reader._running is None


@pytest.mark.parametrize("codec", ["png", "mjpeg", "libwebp"])
def test_a_picture_of_as_many_pixels_as_are_allowed_is_read_and_one_of_a_row_more_is_not(codec: str) -> None:
    with MediaReader(Limits(pixels=100 * 100)) as reader:
        assert reader.read(still(codec, (100, 100))).frames is not None
        with pytest.raises(MediaError, match="10000 "):
            reader.read(still(codec, (100, 101)))


def test_a_picture_beyond_the_memory_is_refused() -> None:
    with MediaReader(Limits(pixels=100_000_000, memory=64 << 20)) as reader:
        assert "needs more than 64 MiB of memory" in refusal(reader, png(7000, 7000))
        assert is_the_scene(reader.read(still("png")))


def test_too_large_a_moving_picture_is_refused_before_it_is_decoded() -> None:
    with MediaReader(Limits(pixels=160 * 120 - 1)) as reader:
        assert "160 x 120" in refusal(reader, clip())


def test_thirty_streams_are_no_harm(reader: MediaReader) -> None:
    assert reader.read(many_streams(30)).sound is not None


def test_a_playlist_opens_no_connection(reader: MediaReader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for kind in PLAYLISTS:
            refusal(reader, playlist(kind, f"http://127.0.0.1:{port}/v7.mp4", port))
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_file_that_names_another_one_does_not_get_it(reader: MediaReader, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(clip(audio=None))
    naming = elsewhere(other.read_bytes(), str(other))
    (tmp_path / "naming.mp4").write_bytes(naming)
    asking = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(tmp_path / "naming.mp4"), options=asking) as file:  # it is what it seems to be
        assert next(file.decode(video=0)).width == 160
    assert "nothing of the file could be decoded" in refusal(reader, naming)
    for kind in PLAYLISTS:
        refusal(reader, playlist(kind, str(other)))


def test_damaged_clips_give_what_they_can_or_a_sentence(reader: MediaReader) -> None:
    chance = np.random.default_rng(7)
    sound = 0
    for whole in (clip(), clip(form="webm", video="libvpx", audio="libopus"), still("mjpeg")):
        for _ in range(15):
            data = bytearray(whole)
            for at in chance.integers(0, len(data), 20):
                data[at] = chance.integers(256)
            try:
                media = reader.read(bytes(data))
            except MediaError as error:
                assert str(error).isprintable()
            else:
                assert media.frames is not None or media.sound is not None
                sound += 1
    assert sound > 10
    assert is_the_scene(reader.read(clip()))


def test_an_mp4_that_lost_its_end_is_refused_because_its_index_was_there(reader: MediaReader) -> None:
    whole = clip(seconds=8)
    assert "cannot be opened" in refusal(reader, whole[: len(whole) // 3])
