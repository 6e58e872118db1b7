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

from encoders.media.frames import Pictures, first, spread
from encoders.media.types import RATE, Limits, Media, MediaError

# What phones, browsers and studios make; none that names other files, as HLS, DASH, concat, SDP and IMF do.
FORMATS = "mov,matroska,webm,avi,flv,mpegts,mpeg,ogg,gif,apng,jpeg_pipe,png_pipe,webp_pipe,webp,wav,mp3,flac,aac,amr"
CODECS = (
    "h264,hevc,libdav1d,vp8,vp9,mpeg4,mpeg1video,mpeg2video,h263,flv,theora,mjpeg,png,apng,gif,webp,"
    "aac,mp3,mp3float,mp2,mp2float,opus,libopus,vorbis,flac,alac,ac3,eac3,amrnb,amrwb,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s32le,pcm_u8,pcm_f32le,pcm_mulaw,pcm_alaw"
)
CHUNK = 16_384  # samples resampled at once; each packet's 1,024 alone took twice the CPU, all of 10 s 20 MB more
WINDOWS = 3  # pieces of sound of a video that has more than is read
TICKS = 1_000_000  # a second of a container's own clock


def decode(file: FileIO, limits: Limits) -> Media:
    """Decode what the file holds; a MediaError says why that is nothing."""
    pictures: Pictures = {}
    sound, length_s = None, None
    with _opened(file, limits) as container:
        video, audio = _video(container, limits), _audio(container)
        stream = video or audio
        if stream is None:
            most = f"no picture of at most {limits.pixels} pixels"
            raise MediaError(f"the file holds {most} and no sound that can be decoded; convert it to MP4")
        still = video is not None and _is_still(container, video)
        if audio is not None or not still:
            length_s = _length_s(container, stream, limits)
        if audio is not None:
            sound = _sound(container, audio, length_s or 0.0, limits.sound_s)
        if video is not None and length_s and not still:
            pictures = spread(container, video, length_s, limits.decoded)
    if video is not None and not pictures:
        with _opened(file, limits) as container:  # a second time: stills and damaged files cannot be wound back
            video = _video(container, limits)
            pictures = first(container, video, limits.decoded) if video else pictures
    if not pictures and sound is None:
        raise MediaError("nothing of the file could be decoded, it is damaged; upload it again")
    frames = np.stack([pictures[at] for at in sorted(pictures)]) if pictures else None
    return Media(frames, sound, None if length_s is None else round(length_s * 1000))


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
        raise MediaError(f"the file cannot be opened as video, picture or sound ({why}); convert it to MP4") from None


def _video(container: InputContainer, limits: Limits) -> VideoStream | None:
    """The stream with the largest picture, a cover only where there is no other; none of them may be too large."""
    usable = [stream for stream in container.streams.video if _is_usable(stream) and stream.width * stream.height]
    for stream in usable:
        if stream.width * stream.height > limits.pixels:
            size = f"{stream.width} x {stream.height}"
            raise MediaError(f"a picture of {size} pixels, {limits.pixels} are allowed in all; make it smaller")
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(limits.pixels)}  # a stream may change its size
    return max(usable, key=lambda one: (not _is_cover(one), one.width * one.height, -one.index), default=None)


def _audio(container: InputContainer) -> AudioStream | None:
    return next((stream for stream in container.streams.audio if _is_usable(stream)), None)


def _is_usable(stream: VideoStream | AudioStream) -> bool:
    context: av.CodecContext | None = stream.codec_context  # None where there is no decoder
    return context is not None and context.codec.name in CODECS.split(",")


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_still(container: InputContainer, video: VideoStream) -> bool:
    return _is_cover(video) or container.format.name.endswith("_pipe")


def _length_s(container: InputContainer, stream: VideoStream | AudioStream, limits: Limits) -> float:
    """Seconds that the file lasts: as its container says, or else by the times of its packets."""
    if container.duration is not None:
        length_s = container.duration / TICKS
    else:
        length_s = _packets_s(container, stream, limits.packets)
    if length_s * 1000 > limits.duration_ms:
        raise MediaError(f"it lasts {length_s:.0f} s, {limits.duration_ms // 1000} are allowed; make it shorter")
    return max(0.0, length_s)


def _packets_s(container: InputContainer, stream: VideoStream | AudioStream, most: int) -> float:
    times = []
    try:
        for packet, _ in zip(container.demux(stream), range(most), strict=False):
            if packet.pts is not None:
                times.append(packet.pts + (packet.duration or 0))
        container.seek(stream.start_time or 0, stream=stream)  # back, for the sound
    except av.FFmpegError:
        pass  # the file is cut off: what came before counts
    return float((max(times) - (stream.start_time or 0)) * (stream.time_base or Fraction(1, 1000))) if times else 0.0


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
    queue, resampler, wanted = av.AudioFifo(), av.AudioResampler("fltp", rate=RATE), round(piece_s * RATE)
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
    return [part.to_ndarray().mean(axis=0, dtype=np.float32) for part in resampler.resample(frame)]  # of [C, n] each
