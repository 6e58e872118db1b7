"""Clips made on the spot: moving shapes and tones in many formats, and files that are none."""

import os
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

RED, GREEN, BLUE = (220, 30, 30), (30, 180, 30), (30, 30, 220)
SOUND_RATE = 44_100
os.environ.setdefault("SVT_LOG", "0")  # the AV1 encoder would tell its settings


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Undo what the AV1 encoder does for root: it makes whoever calls it a real-time process, before all others.

    What the process starts from then on would be one too, and brokers and other tests would stand still meanwhile.
    """
    if sys.platform != "linux":  # elsewhere it asks for nothing
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


@usual_scheduling()
def clip(
    seconds: float = 2.0,
    size: tuple[int, int] = (160, 120),
    form: str = "mp4",
    video: str | None = "libx264",
    audio: str | None = "aac",
    rate: int | Fraction = 10,
    key_every: int = 5,
    degrees: int = 0,
    tone: float = 440.0,
    channels: str = "stereo",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    shape: Fraction | None = None,
    heard_s: float | None = None,
    sound_rate: int = SOUND_RATE,
    picture: Picture | None = None,
    between: int = 0,
) -> bytes:
    """A file of so many seconds: red above blue with a bright square that wanders to the right, and a tone.

    size     width and height as they are stored; `degrees` is the camera's note, counterclockwise
    options  of the container
    shape    width of a pixel by its height
    heard_s  length of the sound where it is another one
    picture  shown all the time instead of the scene
    between  at most so many pictures in a row that are decoded after a later one (B-frames)
    """
    if picture is not None:
        size = (picture.shape[1], picture.shape[0])
    written = BytesIO()
    with av.open(written, "w", format=form, options=options or {}) as file:
        pictures: av.VideoStream | None = None
        tones: av.AudioStream | None = None
        if video:
            pictures = cast(av.VideoStream, file.add_stream(video, rate=rate, options=_quick(video)))
            pictures.width, pictures.height, pictures.pix_fmt = *size, pixels
            if shape is not None:
                pictures.codec_context.sample_aspect_ratio = shape
            pictures.codec_context.gop_size = key_every
            pictures.codec_context.max_b_frames = between
            if degrees:
                pictures.set_display_rotation(degrees)
        if audio:
            rate_of = 48_000 if "opus" in audio else sound_rate
            tones = cast(av.AudioStream, file.add_stream(audio, rate=rate_of, layout=channels))
        if pictures is not None:
            count = round(seconds * rate)
            for n in range(count):
                shown = av.VideoFrame.from_ndarray(scene(size, n / count) if picture is None else picture, "rgb24")
                shown = shown.reformat(format=pixels)
                file.mux(pictures.encode(shown))
            file.mux(pictures.encode(None))
        if tones is not None:
            file.mux([packet for frame in _tone(tone, heard_s or seconds, tones) for packet in tones.encode(frame)])
            file.mux(tones.encode(None))
    return written.getvalue()


def _quick(video: str) -> dict[str, str]:
    wanted = {
        "libx264": {"preset": "ultrafast", "sc_threshold": "0"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    }
    return wanted.get(video, {})


def scene(size: tuple[int, int], part: float) -> Picture:
    """The picture at a part 0..1 of a clip."""
    width, height = size
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2], picture[height // 2 :] = RED, BLUE
    side = height // 4
    left = int(part * (width - side))
    picture[height // 2 - side // 2 : height // 2 + side // 2, left : left + side] = (250, 250, 250)
    return picture


def _tone(hertz: float, seconds: float, stream: av.AudioStream) -> Sequence[av.AudioFrame]:
    rate, per_frame = stream.codec_context.sample_rate, 960
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    frames = []
    for at in range(0, len(wave) - per_frame + 1, per_frame):
        samples = (wave[at : at + per_frame] * 32_767).astype(np.int16)
        both = np.repeat(samples, stream.codec_context.layout.nb_channels)[None]  # [1, samples x channels]
        frame = av.AudioFrame.from_ndarray(both, "s16", stream.codec_context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        frames.append(frame)
    return frames


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


def muxed(form: str, seen_s: float, heard_s: float) -> bytes:
    """Pictures and sound of two lengths; `live` is a WebM as browsers record it, which does not say how long it is."""
    more: dict[str, Any] = {"form": form}
    if form in ("webm", "live"):
        more = {"form": "webm", "video": "libvpx", "audio": "libopus"}
    if form in ("fragmented", "live"):
        more |= {"options": {"live": "1"}} if form == "live" else {"form": "mp4", "options": FRAGMENTS}
    return clip(seconds=seen_s, heard_s=heard_s, **more)


def still(
    codec: str, size: tuple[int, int] = (300, 200), *, pixels: str | None = None, picture: Picture | None = None
) -> bytes:
    """One picture as JPEG (`mjpeg`), PNG (`png`), WebP (`libwebp`) or GIF (`gif`): the scene of a clip, or another."""
    pixels = pixels or {"mjpeg": "yuvj420p", "png": "rgb24", "libwebp": "yuv420p", "gif": "rgb8"}[codec]
    picture = scene(size, 0.5) if picture is None else picture
    size = (picture.shape[1], picture.shape[0])
    forms = {"mjpeg": "image2pipe", "png": "image2pipe", "libwebp": "webp", "gif": "gif"}
    written = BytesIO()
    with av.open(written, "w", format=forms[codec]) as file:
        stream = cast(av.VideoStream, file.add_stream(codec, rate=1))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixels)))
        file.mux(stream.encode(None))
    return written.getvalue()


def many_streams(count: int) -> bytes:
    """A QuickTime file with so many streams of sound."""
    written = BytesIO()
    with av.open(written, "w", format="mov") as file:
        streams = [file.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(count)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.ones((1, 80), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
            file.mux(stream.encode(frame))
    return written.getvalue()


def png(width: int, height: int, rows: int | None = None) -> bytes:
    """A black PNG that says it is so large and holds so many rows: a thousand times smaller than what it unfolds to."""
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(height if rows is None else rows))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", body + packer.flush()),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def elsewhere(data: bytes, path: str) -> bytes:
    """An MP4 whose samples are said to lie in another file, by a Macintosh alias as QuickTime wrote them."""
    target = path.encode() + b"\0" * (len(path) % 2)
    alias = bytes(10) + bytes(1) + bytes(27) + bytes(12) + bytes(1) + bytes(63) + bytes(16) + bytes(4) + bytes(16)
    alias += struct.pack(">HH", 2, len(target)) + target + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    reference = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    return _replaced(data, [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], reference)


def _replaced(boxes: bytes, path: list[bytes], new: bytes) -> bytes:
    """Put a box in the place of every one at a path, and make those around it as long as they then are."""
    out, at = b"", 0
    while at < len(boxes):
        size, kind = struct.unpack_from(">I4s", boxes, at)
        box = boxes[at : at + size]
        if kind == path[0]:
            box = _replaced(box[8:], path[1:], new) if path[1:] else new
            box = struct.pack(">I4s", 8 + len(box), kind) + box if path[1:] else box
        out += box
        at += size
    return out


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 32\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="0"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>\n',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="{target}"/></svg>\n',
    "pls": "[playlist]\nFile1={target}\n",
}


def playlist(kind: str, target: str, port: int = 9) -> bytes:
    """A text that names a file or an address for the reader to open."""
    return PLAYLISTS[kind].format(target=target, port=port).encode()
