"""Pictures as their makers meant them to be seen: turned, mirrored, stretched; one of several; and for how long."""

import struct
import zlib
from fractions import Fraction
from io import BytesIO
from typing import cast

import av
import numpy as np
import pytest
from av.stream import Disposition

from encoders.media.sandbox_client import MediaReader
from encoders.media.types import RATE, Media, MediaError
from encoders.media.upright import upright
from tests.support.clips import clip, muxed, still
from tests.support.heif import heif, mirrored, turned
from tests.support.media_asserts import Picture, frames_of, is_near, pitch_of, square_at

CORNERS = ((230, 20, 20), (20, 230, 20), (20, 20, 230), (220, 220, 20))  # red, green; blue, yellow
ONE, NEG = 65_536, -65_536
# By EXIF's number: what the camera says of a picture, as a display matrix (a, b, c, d)
ORIENTATIONS = {
    1: (ONE, 0, 0, ONE),
    2: (NEG, 0, 0, ONE),
    3: (NEG, 0, 0, NEG),
    4: (ONE, 0, 0, NEG),
    5: (0, ONE, ONE, 0),
    6: (0, ONE, NEG, 0),
    7: (0, NEG, NEG, 0),
    8: (0, NEG, ONE, 0),
}
# and which stored corner is then seen at the upper left, upper right, lower left and lower right, by the EXIF standard
SEEN = {
    1: (0, 1, 2, 3),
    2: (1, 0, 3, 2),
    3: (3, 2, 1, 0),
    4: (2, 3, 0, 1),
    5: (0, 2, 1, 3),
    6: (2, 0, 3, 1),
    7: (3, 1, 2, 0),
    8: (1, 3, 0, 2),
}


def corners(width: int = 160, height: int = 120) -> Picture:
    """Four quarters in four colours."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = CORNERS[:2]
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = CORNERS[2:]
    return picture


def seen(frame: Picture) -> tuple[int, ...]:
    """Which stored corner is at each corner of what is seen."""
    places = [(60, 60), (60, 164), (164, 60), (164, 164)]
    return tuple(next(at for at, colour in enumerate(CORNERS) if is_near(frame[place], colour, 70)) for place in places)


def many(media: Media) -> Picture:
    """The frames of a film of ten pictures: one or two of eight times fall on pictures that are skipped or taken."""
    assert media.frames is not None and len(media.frames) >= 6
    return media.frames


def film(
    orientation: int = 1, form: str = "mp4", video: str = "libx264", shape: Fraction | None = None, seconds: float = 1.0
) -> bytes:
    written = BytesIO()
    with av.open(written, "w", format=form) as file:
        stream = cast(av.VideoStream, file.add_stream(video, rate=10))
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        if orientation != 1:
            a, b, c, d = ORIENTATIONS[orientation]
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        for _ in range(round(seconds * 10)):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(corners(), "rgb24")))
        file.mux(stream.encode(None))
    return written.getvalue()


def exif(orientation: int) -> bytes:
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0) + bytes(4)


def photo(orientation: int, codec: str) -> bytes:
    """A JPEG, PNG or WebP with the camera's note."""
    data, note = still(codec, picture=corners(300, 200)), exif(orientation)
    match codec:
        case "mjpeg":
            note = b"Exif\0\0" + note
            return data[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + data[2:]
        case "png":
            chunk = struct.pack(">I", len(note)) + b"eXIf" + note + struct.pack(">I", zlib.crc32(b"eXIf" + note))
            return data[:33] + chunk + data[33:]
    extended = b"VP8X" + struct.pack("<IB3x", 10, 8) + (299).to_bytes(3, "little") + (199).to_bytes(3, "little")
    body = b"WEBP" + extended + data[12:] + b"EXIF" + struct.pack("<I", len(note)) + note
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_what_a_matrix_does_is_what_exif_says_of_its_number(orientation: int) -> None:
    assert seen(upright(corners(224, 224), ORIENTATIONS[orientation])) == SEEN[orientation]


@pytest.mark.parametrize("codec", ["mjpeg", "png", "libwebp"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_photo_is_turned_and_mirrored_as_its_camera_notes(reader: MediaReader, codec: str, orientation: int) -> None:
    assert seen(frames_of(reader.read(photo(orientation, codec)), 1)[0]) == SEEN[orientation]


@pytest.mark.parametrize("form", ["mp4", "mov"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_film_is_turned_and_mirrored_as_its_track_says(reader: MediaReader, form: str, orientation: int) -> None:
    media = reader.read(film(orientation, form))
    assert media.frames is not None
    assert {seen(frame) for frame in media.frames} == {SEEN[orientation]}


@pytest.mark.parametrize("codec", ["libx265", "libsvtav1"])
@pytest.mark.parametrize(
    ("properties", "orientation"),
    [((), 1), ((turned(1),), 8), ((turned(2),), 3), ((turned(3),), 6), ((mirrored(1),), 2), ((mirrored(0),), 4)],
)
def test_a_heic_or_avif_photo_is_turned_and_mirrored(
    reader: MediaReader, codec: str, properties: tuple[bytes, ...], orientation: int
) -> None:
    media = reader.read(heif(1, 1, corners(), codec, *properties))
    assert seen(frames_of(media, 1)[0]) == SEEN[orientation]
    assert media.duration_ms is None


@pytest.mark.parametrize(("codec", "name"), [("libx265", "HEIC"), ("libsvtav1", "AVIF")])
@pytest.mark.parametrize(("columns", "rows"), [(2, 1), (2, 2), (8, 6)])
def test_no_tile_of_a_photo_is_taken_for_the_photo(
    reader: MediaReader, codec: str, name: str, columns: int, rows: int
) -> None:
    with pytest.raises(MediaError, match=name):
        reader.read(heif(columns, rows, corners(), codec))


@pytest.mark.parametrize(
    ("form", "video", "shape"),
    [
        ("mp4", "libx264", Fraction(2)),
        ("mp4", "libx264", Fraction(1, 2)),
        ("matroska", "libx264", Fraction(2)),
        ("mpegts", "libx264", Fraction(2)),
        ("avi", "mpeg4", Fraction(2)),
        ("mp4", "libx265", Fraction(2)),
        ("mov", "mpeg4", Fraction(2)),
    ],
)
def test_pixels_that_are_not_square_are_stretched(reader: MediaReader, form: str, video: str, shape: Fraction) -> None:
    if video not in av.codecs_available:
        pytest.skip(f"this PyAV cannot write {video}")
    size = (160, 240) if shape > 1 else (240, 80)
    media = reader.read(clip(seconds=1, size=size, form=form, video=video, audio=None, shape=shape))
    assert media.frames is not None
    frame = media.frames[len(media.frames) // 2]
    rows, columns = np.nonzero(frame.min(axis=2) > 180)  # the square, which is stored as one
    seen_shape = Fraction(int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    assert float(seen_shape) == pytest.approx(float(shape), rel=0.15)


def test_pixels_are_stretched_before_the_picture_is_turned(reader: MediaReader) -> None:
    frame = many(reader.read(film(6, shape=Fraction(2))))[0]
    assert seen(frame) == SEEN[6]
    stretched = clip(seconds=1, size=(160, 240), audio=None, shape=Fraction(2), degrees=90)
    rows, columns = np.nonzero(many(reader.read(stretched))[0].min(axis=2) > 180)  # the square, which is stored as one
    assert np.ptp(columns) < 0.9 * np.ptp(rows), "higher than wide; stretched after it was turned it were wider"


@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "webm", "mpegts", "fragmented", "live"])
@pytest.mark.parametrize(("seen_s", "heard_s"), [(1.0, 20.0), (20.0, 1.0), (40.0, 3.0)])
def test_pictures_and_sound_are_taken_from_all_over_their_own_length(
    reader: MediaReader, form: str, seen_s: float, heard_s: float
) -> None:
    media = reader.read(muxed(form, seen_s, heard_s))
    frames = many(media)
    assert np.diff([square_at(frame) for frame in frames]).max() < 0.25
    assert square_at(frames[-1]) - square_at(frames[0]) > 0.4
    assert media.sound is not None and len(media.sound) == pytest.approx(heard_s * RATE, rel=0.1, abs=RATE / 5)
    assert pitch_of(media) == pytest.approx(440, abs=5)
    assert media.duration_ms == pytest.approx(1000 * max(seen_s, heard_s), rel=0.05)


@pytest.mark.parametrize("form", ["mpegts", "mpeg", "mp4", "matroska"])
def test_a_short_film_with_one_key_frame_gives_pictures_of_all_of_it(reader: MediaReader, form: str) -> None:
    codec = "mpeg2video" if form == "mpeg" else "libx264"
    media = reader.read(clip(2.0, form=form, video=codec, audio=None, rate=25, key_every=250, between=3))
    frames = many(media)
    assert square_at(frames[-1]) - square_at(frames[0]) > 0.4


def test_of_an_animated_webp_the_refusal_says_so(reader: MediaReader) -> None:
    if "libwebp_anim" not in av.codecs_available:
        pytest.skip("this PyAV cannot write one")
    with pytest.raises(MediaError, match="animated WebP"):
        reader.read(moving("libwebp_anim", "webp", "yuv420p"))


@pytest.mark.parametrize(
    ("codec", "form", "pixels"), [("gif", "gif", "rgb8"), ("apng", "apng", "rgb24"), ("libsvtav1", "avif", "yuv420p")]
)
def test_other_animated_pictures_are_read_like_films(reader: MediaReader, codec: str, form: str, pixels: str) -> None:
    media = reader.read(moving(codec, form, pixels))
    assert media.frames is not None and len(media.frames) >= 6
    assert square_at(media.frames[-1]) - square_at(media.frames[0]) > 0.4
    assert media.duration_ms == pytest.approx(1000, abs=150)


def moving(codec: str, form: str, pixels: str) -> bytes:
    return clip(seconds=1, form=form, video=codec, audio=None, pixels=pixels)


PIXELS = {
    "16-bit colour": ("png", "rgb48be"),
    "16-bit colour with alpha": ("png", "rgba64be"),
    "colour with alpha": ("png", "rgba"),
    "grey": ("png", "gray"),
    "16-bit grey": ("png", "gray16be"),
    "grey with alpha": ("png", "ya8"),
    "black and white": ("png", "monob"),
    "a JPEG without subsampling": ("mjpeg", "yuvj444p"),
    "a WebP with alpha": ("libwebp", "bgra"),
}


@pytest.mark.parametrize("kind", PIXELS)
def test_pictures_of_every_kind_of_pixel_are_read(reader: MediaReader, kind: str) -> None:
    codec, pixels = PIXELS[kind]
    frame = frames_of(reader.read(still(codec, pixels=pixels, picture=light_above_dark())), 1)[0]
    assert frame[20:90].mean() > 170 and frame[130:200].mean() < 80


def light_above_dark() -> Picture:
    picture = np.full((200, 300, 3), 20, np.uint8)
    picture[:100] = 235
    return picture


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (1, 3000), (3000, 1), (17, 31)])
def test_pictures_of_odd_sizes_are_read(reader: MediaReader, size: tuple[int, int]) -> None:
    picture = np.full((size[1], size[0], 3), (220, 30, 30), np.uint8)
    frame = frames_of(reader.read(still("png", size, picture=picture)), 1)[0]
    assert is_near(frame[112, 112], (220, 30, 30))


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p", "yuv444p", "gray"])
def test_films_of_other_pixels_are_read(reader: MediaReader, pixels: str) -> None:
    media = reader.read(clip(seconds=1, audio=None, pixels=pixels))
    frame = many(media)[0]
    assert int(frame[5, 112].max()) - int(frame[218, 112].max()) < 60 and frame.max() > 200


def test_a_cover_in_a_sound_file_is_a_picture_beside_the_sound(reader: MediaReader) -> None:
    written = BytesIO()
    with av.open(written, "w", format="mp3") as file, av.open(BytesIO(still("png"))) as cover:
        tones = file.add_stream("mp3", rate=44_100, layout="mono")
        shown = file.add_stream_from_template(cover.streams.video[0])
        shown.disposition = Disposition.attached_pic
        for packet in cover.demux(video=0):
            if packet.size:
                packet.stream, packet.pts, packet.dts = shown, 0, 0
                file.mux(packet)
        wave = (0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * 44_100) / 44_100) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave[None], "s16", "mono")
        frame.sample_rate, frame.pts = 44_100, 0
        file.mux([*tones.encode(frame), *tones.encode(None)])
    media = reader.read(written.getvalue())
    frames_of(media, 1)
    assert pitch_of(media) == pytest.approx(440, abs=3)
    assert media.duration_ms == pytest.approx(3000, abs=150)


@pytest.mark.parametrize("begin_s", [-0.5, 2.0])
@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
def test_a_film_that_begins_before_or_after_zero_gives_all_its_pictures(
    reader: MediaReader, form: str, begin_s: float
) -> None:
    written = BytesIO()
    options = {"avoid_negative_ts": "disabled"} if begin_s < 0 else {}
    with av.open(BytesIO(clip(seconds=4, audio=None))) as source, av.open(written, "w", form, options) as file:
        stream = file.add_stream_from_template(source.streams.video[0])
        moved = int(begin_s / (source.streams.video[0].time_base or 1))
        for packet in source.demux(video=0):
            if packet.pts is not None and packet.dts is not None:
                packet.stream, packet.pts, packet.dts = stream, packet.pts + moved, packet.dts + moved
                file.mux(packet)
    frames = many(reader.read(written.getvalue()))
    assert square_at(frames[-1]) - square_at(frames[0]) > 0.4
