"""A video, picture or sound file to eight frames and half a minute of sound, by PyAV.

Runs in a fork under limits (`encoders.media.sandbox`): the decoders are a million lines of C that read what strangers
upload.
"""

from fractions import Fraction
from io import FileIO

import av
import av.subtitles.stream  # PyAV imports it when it first opens a file; by then the fork can open no file of a module
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from encoders.media.formats import CODECS, FORMATS, why_not_read
from encoders.media.frames import Pictures, first, spread
from encoders.media.lengths import length_s, own_length_s
from encoders.media.types import RATE, Limits, Media, MediaError

CHUNK = 16_384  # samples resampled at once; each packet's 1,024 alone took twice the CPU, all of 10 s 20 MB more
PADDED = 64  # pixels of which a decoder's row is a multiple, STRIDE_ALIGN in libavcodec/internal.h at most
WINDOWS = 3  # pieces of sound of a video that has more than is read


def decode(file: FileIO, limits: Limits) -> Media:
    """Decode what the file holds; a MediaError says why that is nothing."""
    pictures: Pictures = {}
    sound, whole_s = None, None
    with _opened(file, limits) as container:
        video, audio = _video(container, file, limits), _audio(container)
        if video is None and audio is None:
            most = f"no picture of at most {limits.pixels} pixels"
            unread = f"the file holds {most} and no sound that can be decoded; convert it to MP4"
            raise MediaError(why_not_read(file) or unread)
        still = video is not None and _is_still(container, video)
        moving = None if still else video
        if timed := [stream for stream in (moving, audio) if stream is not None]:
            whole_s = length_s(container, timed, limits)
        if audio is not None:
            own_s = own_length_s(container, audio, whole_s or 0.0, limits) if moving else whole_s
            sound = _sound(container, audio, own_s or 0.0, limits.sound_s)
        if moving is not None and whole_s:
            own_s = own_length_s(container, moving, whole_s, limits) if audio else whole_s
            pictures = spread(container, moving, own_s, limits.decoded)
    if video is not None and not pictures:
        with _opened(file, limits) as container:  # a second time: stills and damaged files cannot be wound back
            video = _video(container, file, limits)
            pictures = first(container, video, limits.decoded) if video else pictures
    if not pictures and sound is None:
        raise MediaError("nothing of the file could be decoded, it is damaged; upload it again")
    frames = np.stack([pictures[at] for at in sorted(pictures)]) if pictures else None
    return Media(frames, sound, None if whole_s is None else round(whole_s * 1000))


def _opened(file: FileIO, limits: Limits) -> InputContainer:
    file.seek(0)
    options = {
        "format_whitelist": FORMATS,
        "codec_whitelist": CODECS,
        "protocol_whitelist": "none",  # no protocol has that name, so nothing that a file names is opened
        "max_streams": str(limits.streams),
        "max_pixels": str(limits.pixels),
    }
    try:
        return av.open(file, "r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        why = error.strerror or type(error).__name__
        if isinstance(error, MemoryError):  # FFmpeg reports both so
            why = f"more than {limits.streams} streams, or more memory than is allowed"
        unopened = f"the file cannot be opened as video, picture or sound ({why}); convert it to MP4"
        raise MediaError(why_not_read(file) or unopened) from None


def _video(container: InputContainer, file: FileIO, limits: Limits) -> VideoStream | None:
    """The stream with the largest picture, a cover only where there is no other; none of them may be too large.

    Of several pictures in a HEIF file it is the one that the file calls its photo, unless there is a film.
    """
    if any(stream.disposition & Disposition.dependent for stream in container.streams.video):
        raise MediaError(why_not_read(file) or "the picture is one of tiles, which are not put together; convert it")
    usable = [stream for stream in container.streams.video if _is_usable(stream) and stream.width * stream.height]
    for stream in usable:
        if stream.width * stream.height > limits.pixels:
            size = f"{stream.width} x {stream.height}"
            raise MediaError(f"a picture of {size} pixels, {limits.pixels} are allowed in all; make it smaller")
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(_with_padding(stream, limits))}  # its size may change
    return max(usable, key=lambda one: (*_rank(one), one.width * one.height, -one.index), default=None)


def _with_padding(stream: VideoStream, limits: Limits) -> int:
    """The limit as FFmpeg looks at it once more, when it takes memory for a picture: with its rows padded."""
    return max(limits.pixels, -(-stream.width // PADDED) * PADDED * stream.height)


def _rank(stream: VideoStream) -> tuple[bool, bool, bool]:
    is_item = _is_item(stream)
    return not _is_cover(stream), not is_item, is_item and bool(stream.disposition & Disposition.default)


def _is_item(stream: VideoStream) -> bool:
    """Whether it is a picture of a HEIF or AVIF file, which has no time."""
    return stream.frames == 1 and stream.time_base == 1


def _audio(container: InputContainer) -> AudioStream | None:
    return next((stream for stream in container.streams.audio if _is_usable(stream)), None)


def _is_usable(stream: VideoStream | AudioStream) -> bool:
    context: av.CodecContext | None = stream.codec_context  # None where there is no decoder
    return context is not None and context.codec.name in CODECS.split(",")


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_still(container: InputContainer, video: VideoStream) -> bool:
    return _is_cover(video) or container.format.name.endswith("_pipe") or _is_item(video)


def _sound(container: InputContainer, stream: AudioStream, length_s: float, sound_s: int) -> NDArray[np.float32] | None:
    """Float32 [S], mono at 16 kHz: all of it, or three pieces evenly spread where there is more than `sound_s`."""
    starts_s, piece_s = [0.0], float(sound_s)
    if length_s > sound_s:
        piece_s = sound_s / WINDOWS
        starts_s = [length_s * (part + 0.5) / WINDOWS - piece_s / 2 for part in range(WINDOWS)]
    pieces = [_piece(container, stream, start_s, piece_s) for start_s in starts_s]
    return np.concatenate(pieces) if any(map(len, pieces)) else None


def _piece(container: InputContainer, stream: AudioStream, start_s: float, piece_s: float) -> NDArray[np.float32]:
    # Channels are kept: a down-mix to mono by FFmpeg is 3 dB louder.
    queue, resampler, wanted = av.AudioFifo(), av.AudioResampler("flt", rate=RATE), round(piece_s * RATE)
    parts: list[NDArray[np.float32]] = []
    try:
        if start_s:
            begin = (stream.start_time or 0) + int(start_s / (stream.time_base or Fraction(1, RATE)))
            container.seek(begin, stream=stream)
        for packet in container.demux(stream):
            fits = _queued(queue, stream, packet)
            while chunk := queue.read(CHUNK):
                parts += _mono(resampler, chunk)
            if not fits or sum(map(len, parts)) >= wanted:
                break
    except MemoryError:
        raise  # also FFmpeg's own
    except av.FFmpegError:
        pass  # the file is cut off: what came before counts
    if rest := queue.read(partial=True):
        parts += [*_mono(resampler, rest), *_mono(resampler, None)]
    return np.concatenate(parts)[:wanted] if parts else np.empty(0, np.float32)


def _queued(queue: av.AudioFifo, stream: AudioStream, packet: "av.Packet[AudioStream]") -> bool:
    """Queue the samples of a packet, none of a damaged one; False where they do not fit what is queued."""
    try:
        for frame in stream.codec_context.decode(packet):
            frame.pts = None  # with times, the queue would refuse a gap
            if queue.samples_written and frame.layout.nb_channels != queue.layout.nb_channels:
                return False  # the queue does not check, and would read beyond the frame
            queue.write(frame)
    except MemoryError:
        raise
    except av.FFmpegError:
        return True
    except ValueError:
        return False  # another rate or format from here on
    return True


def _mono(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> list[NDArray[np.float32]]:
    # Interleaved: of eight channels in planes, PyAV reads a ninth, which is not there.
    mixed = []
    for part in resampler.resample(frame):
        samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)  # [n, C]
        mixed.append(samples.mean(axis=1, dtype=np.float32))
    return mixed
