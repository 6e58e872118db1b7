"""The table of docs/content/formats.md: files of every kind that can be made here, and what is read of each.

`python -m tests.support.media_table` writes the page's table anew.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Media, MediaError
from tests.support.clips import FRAGMENTS, clip, scene, still
from tests.support.heif import heif
from tests.support.paths import ROOT

PAGE = ROOT / "docs/content/formats.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
Make = Callable[[], bytes]


def film(form: str, video: str | None, audio: str | None, **more: object) -> Make:
    return partial(clip, seconds=2.0, form=form, video=video, audio=audio, **more)  # type: ignore[arg-type]


def sound(form: str, audio: str, **more: object) -> Make:
    return film(form, None, audio, **more)


def picture(codec: str, pixels: str | None = None) -> Make:
    return partial(still, codec, pixels=pixels)


FILES: dict[str, Make] = {
    "MP4, H.264 and AAC": film("mp4", "libx264", "aac"),
    "MP4 in fragments, as browsers record it": film("mp4", "libx264", "aac", options=FRAGMENTS),
    "MP4, H.264 of 10 bits": film("mp4", "libx264", "aac", pixels="yuv420p10le"),
    "MP4, H.264 4:4:4": film("mp4", "libx264", None, pixels="yuv444p"),
    "MP4, HEVC": film("mp4", "libx265", "aac"),
    "MP4, HEVC of 10 bits": film("mp4", "libx265", "aac", pixels="yuv420p10le"),
    "MP4, AV1 and Opus": film("mp4", "libsvtav1", "libopus"),
    "MP4, MPEG-4 and AC-3": film("mp4", "mpeg4", "ac3"),
    "QuickTime, H.264 and PCM": film("mov", "libx264", "pcm_s16le"),
    "QuickTime, Motion JPEG and PCM": film("mov", "mjpeg", "pcm_s16le", pixels="yuvj420p"),
    "Matroska, H.264 and FLAC": film("matroska", "libx264", "flac"),
    "Matroska, HEVC and E-AC-3": film("matroska", "libx265", "eac3"),
    "WebM, VP8 and Opus": film("webm", "libvpx", "libopus"),
    "WebM without a length, as browsers record it": film("webm", "libvpx", "libopus", options={"live": "1"}),
    "WebM, VP9 and Opus": film("webm", "libvpx-vp9", "libopus"),
    "WebM, AV1 and Opus": film("webm", "libsvtav1", "libopus"),
    "MPEG-TS, H.264 and AAC": film("mpegts", "libx264", "aac"),
    "MPEG-TS, HEVC and MP2": film("mpegts", "libx265", "mp2"),
    "MPEG-PS, MPEG-2 and MP2": film("vob", "mpeg2video", "mp2", rate=25),
    "AVI, MPEG-4 and MP3": film("avi", "mpeg4", "mp3"),
    "AVI, Motion JPEG and PCM": film("avi", "mjpeg", "pcm_s16le", pixels="yuvj420p"),
    "FLV, H.264 and AAC": film("flv", "libx264", "aac"),
    "FLV, Sorenson and MP3": film("flv", "flv", "mp3"),
    "ASF, WMV": film("asf", "wmv2", None),
    "GIF, animated": film("gif", "gif", None, pixels="rgb8"),
    "APNG, animated": film("apng", "apng", None, pixels="rgb24"),
    "AVIF, animated": film("avif", "libsvtav1", None),
    "WebP, animated": film("webp", "libwebp_anim", None),
    "JPEG": picture("mjpeg"),
    "PNG": picture("png"),
    "PNG of 16 bits": picture("png", "rgb48be"),
    "PNG, grey with alpha": picture("png", "ya8"),
    "PNG, black and white": picture("png", "monob"),
    "WebP": picture("libwebp"),
    "WebP with alpha": picture("libwebp", "bgra"),
    "HEIC in one piece": partial(heif, 1, 1, scene((160, 120), 0.5), "libx265"),
    "HEIC of tiles, as phones write it": partial(heif, 8, 6, scene((160, 120), 0.5), "libx265"),
    "AVIF in one piece": partial(heif, 1, 1, scene((160, 120), 0.5), "libsvtav1"),
    "AVIF of tiles": partial(heif, 2, 2, scene((160, 120), 0.5), "libsvtav1"),
    "WAV, 16 bits": sound("wav", "pcm_s16le"),
    "WAV, 24 bits": sound("wav", "pcm_s24le"),
    "WAV, float": sound("wav", "pcm_f32le"),
    "WAV, µ-law, 8 kHz mono": sound("wav", "pcm_mulaw", channels="mono", sound_rate=8000),
    "WAV, 5.1": sound("wav", "pcm_s16le", channels="5.1"),
    "WAV, 7.1": sound("wav", "pcm_s16le", channels="7.1"),
    "WAV of 16 channels": sound("wav", "pcm_s16le", channels="hexadecagonal"),
    "WAV, 96 kHz": sound("wav", "pcm_s24le", sound_rate=96_000),
    "MP3": sound("mp3", "mp3"),
    "AAC without a container (ADTS)": sound("adts", "aac"),
    "M4A, AAC": sound("ipod", "aac"),
    "M4A, ALAC": sound("ipod", "alac"),
    "FLAC": sound("flac", "flac"),
    "Ogg, Opus": sound("ogg", "libopus"),
    "Ogg, FLAC": sound("ogg", "flac"),
    "WebM, Opus": sound("webm", "libopus"),
    "Matroska, Opus 5.1": sound("matroska", "libopus", channels="5.1"),
    "AIFF": sound("aiff", "pcm_s16be"),
    "CAF": sound("caf", "pcm_s16le"),
}


def row(name: str, make: Make, reader: MediaReader) -> str:
    """A file's line of the table."""
    try:
        media = reader.read(make())
    except MediaError as error:
        return f"| {name} | refused: {error} | |\n"
    return f"| {name} | {_pictures(media)} | {'sound' if media.sound is not None else '–'} |\n"


def _pictures(media: Media) -> str:
    if media.frames is None:
        return "–"
    return "a film" if len(media.frames) > 1 else "a picture"


def rows(reader: MediaReader) -> Iterator[str]:
    """The table, line by line."""
    yield "| file | seen | heard |\n"
    yield "|---|---|---|\n"
    yield from (row(name, make, reader) for name, make in FILES.items())


def documented() -> list[str]:
    """The lines of the page's table."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].splitlines(keepends=True)


def write(page: Path) -> None:
    """Put the table into the page."""
    with MediaReader() as reader:
        table = "".join(rows(reader))
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    page.write_text(f"{head}{BEGIN}{table}{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    write(PAGE)
