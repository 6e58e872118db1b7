"""Reading media: what is found in a clip."""

import os
import sys

import av
import numpy as np
import pytest

from encoders.media.sandbox_client import MediaReader
from encoders.media.types import RATE, Limits, Media
from tests.support.clips import BLUE, RED, clip, still
from tests.support.media_asserts import frames_of, is_near, is_the_scene, pitch_of, square_at
from tests.support.paths import DATA

CLIPS = DATA / "clips"


KINDS = {
    "H.264 and AAC": {},
    "H.264 with B-frames": {"video": "libx264", "key_every": 8},
    "QuickTime": {"form": "mov"},
    "Matroska": {"form": "matroska"},
    "MPEG-TS": {"form": "mpegts"},
    "fragmented MP4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "HEVC": {"video": "libx265"},
    "VP8 and Opus": {"form": "webm", "video": "libvpx", "audio": "libopus"},
    "VP9 and Opus": {"form": "webm", "video": "libvpx-vp9", "audio": "libopus"},
    "a live WebM, which does not say how long it is": {
        "form": "webm",
        "video": "libvpx",
        "audio": "libopus",
        "options": {"live": "1"},
    },
    "AV1": {"video": "libsvtav1"},
    "AVI with MPEG-4 and MP3": {"form": "avi", "video": "mpeg4", "audio": "mp3"},
    "mono": {"channels": "mono"},
    "5.1": {"channels": "5.1"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_gives_frames_in_their_order_and_its_tone(reader: MediaReader, kind: str) -> None:
    wanted = {"seconds": 3.0, **KINDS[kind]}
    for codec in filter(None, (wanted.get("video"), wanted.get("audio"))):
        if codec not in av.codecs_available:
            pytest.skip(f"this PyAV cannot write {codec}")
    media = reader.read(clip(**wanted))
    assert media.frames is not None and 5 <= len(media.frames) <= 8
    assert is_the_scene(media)
    places = [square_at(frame) for frame in media.frames]
    assert places == sorted(places) and places[-1] - places[0] > 0.5
    assert media.sound is not None and media.sound.dtype == np.float32
    assert len(media.sound) == pytest.approx(3 * RATE, rel=0.05)
    assert np.percentile(np.abs(media.sound), 95) == pytest.approx(0.5, abs=0.1)
    assert pitch_of(media) == pytest.approx(440, abs=3)
    assert media.duration_ms == pytest.approx(3000, abs=150)


@pytest.mark.parametrize(("key_every", "count"), [(5, 8), (15, 8), (1000, 8)])
def test_frames_are_spread_evenly_however_many_key_frames_there_are(
    reader: MediaReader, key_every: int, count: int
) -> None:
    frames = frames_of(reader.read(clip(seconds=8, key_every=key_every, audio=None)), count)
    gaps = np.diff([square_at(frame) for frame in frames])
    assert gaps.min() > 0.05 and gaps.max() < 0.25  # the square goes 0.135 a second


def test_a_long_way_between_key_frames_is_not_decoded() -> None:
    with MediaReader(Limits(decoded=20 * 160 * 120)) as reader:
        near = reader.read(clip(seconds=8, key_every=1000, audio=None))
    assert near.frames is not None and 1 <= len(near.frames) <= 3


def test_the_same_file_gives_the_same_arrays(reader: MediaReader) -> None:
    data = clip(key_every=7)
    one, other = reader.read(data), reader.read(data)
    assert np.array_equal(one.frames, other.frames) and np.array_equal(one.sound, other.sound)


def test_a_wide_and_a_tall_picture_lose_their_ends_and_are_not_squeezed(reader: MediaReader) -> None:
    wide = frames_of(reader.read(clip(size=(640, 120), audio=None)), 8)
    sizes = [int((frame.min(axis=2) > 180).any(axis=1).sum()) for frame in wide]  # rows of the square that are seen
    assert max(sizes) == pytest.approx(224 / 4, abs=4)
    tall = reader.read(clip(size=(120, 320), audio=None))
    assert is_near(frames_of(tall, 8)[0][20, 200], RED) and is_near(frames_of(tall, 8)[0][200, 200], BLUE)


@pytest.mark.parametrize(
    ("degrees", "red_at", "blue_at"),
    [
        (90, (112, 5), (112, 218)),
        (-90, (112, 218), (112, 5)),
        (180, (218, 112), (5, 112)),
    ],
)
def test_a_turned_camera_is_turned_back(
    reader: MediaReader, degrees: int, red_at: tuple[int, int], blue_at: tuple[int, int]
) -> None:
    media = reader.read(clip(degrees=degrees, size=(640, 360)))
    frame = frames_of(media, 8)[0]
    assert is_near(frame[red_at], RED) and is_near(frame[blue_at], BLUE)


@pytest.mark.parametrize("codec", ["mjpeg", "png", "libwebp", "gif"])
def test_a_still_picture_is_one_frame(reader: MediaReader, codec: str) -> None:
    media = reader.read(still(codec))
    frames_of(media, 1)
    assert is_the_scene(media)
    assert media.sound is None
    assert media.duration_ms is None or codec == "gif"  # which may hold a film


def test_a_video_without_sound_has_none(reader: MediaReader) -> None:
    media = reader.read(clip(audio=None))
    assert media.sound is None and media.frames is not None


def test_silence_counts_as_no_sound(reader: MediaReader) -> None:
    media = reader.read(clip(tone=0.0))
    assert media.sound is None and media.frames is not None


@pytest.mark.parametrize(
    "form", [("mp4", "aac"), ("mp3", "mp3"), ("wav", "pcm_s16le"), ("ogg", "libopus"), ("flac", "flac")]
)
def test_sound_alone_has_no_frames(reader: MediaReader, form: tuple[str, str]) -> None:
    media = reader.read(clip(form=form[0], audio=form[1], video=None))
    assert media.frames is None
    assert pitch_of(media) == pytest.approx(440, abs=3)
    assert media.duration_ms == pytest.approx(2000, abs=100)


def test_of_long_sound_three_pieces_are_taken_from_all_over_it(reader: MediaReader) -> None:
    parts = [clip(seconds=20, form="adts", video=None, tone=tone) for tone in (300.0, 600.0, 1200.0)]
    media = reader.read(b"".join(parts))  # AAC without a container may be put together like this
    assert media.sound is not None and len(media.sound) == 30 * RATE
    pitches = [pitch_of(Media(sound=piece)) for piece in np.split(media.sound, 3)]
    assert pitches == pytest.approx([300, 600, 1200], abs=5)


def test_sound_whose_channels_change_is_read_up_to_there(reader: MediaReader) -> None:
    for before, after in (("mono", "stereo"), ("stereo", "mono"), ("stereo", "5.1")):
        parts = [clip(form="adts", video=None, channels=channels) for channels in (before, after)]
        media = reader.read(b"".join(parts))
        assert media.sound is not None and len(media.sound) == pytest.approx(2 * RATE, rel=0.1)


@pytest.mark.parametrize("form", ["matroska", "mpegts", "fragmented"])
def test_of_a_truncated_video_what_is_there_is_used(reader: MediaReader, form: str) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    whole = clip(seconds=8, options=fragments) if form == "fragmented" else clip(seconds=8, form=form)
    media = reader.read(whole[: len(whole) // 3])
    assert media.frames is not None and is_the_scene(media)
    assert media.sound is not None and RATE < len(media.sound) < 5 * RATE


REAL = {"intel__asl_book.mkv": False, "intel__bottle-detection.mp4": False, "moviepy__big_buck_bunny_0_30.webm": True}


@pytest.mark.skipif(not CLIPS.exists(), reason="needs clips; set FRESHET_TEST_DATA")
@pytest.mark.parametrize("name", REAL)
def test_a_real_clip_is_read(reader: MediaReader, name: str) -> None:
    media = reader.read((CLIPS / name).read_bytes())
    frames = frames_of(media, 8)
    assert frames.std() > 20
    assert len({frame.tobytes() for frame in frames}) == 8
    assert (media.sound is not None) is REAL[name]
    assert media.duration_ms is not None and media.duration_ms > 3000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such call")
def test_making_a_clip_leaves_the_process_as_it_was() -> None:
    """The AV1 encoder makes root's process a real-time one, and nothing else on the machine runs then."""
    clip(video="libsvtav1", audio=None, seconds=0.3)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
