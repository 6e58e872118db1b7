"""Pictures of a video: which are taken, and the square that the image encoder reads."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from encoders.media.lengths import seek
from encoders.media.types import FRAMES, SIDE
from encoders.media.upright import Picture, matrix_of, upright

MAX_ASPECT = 8  # the longer side by the shorter; without it a single line of pixels would be scaled to millions
MAX_SHAPE = 16  # of a pixel; anamorphic video has 2
USUAL_RATE = 30  # pictures a second, assumed where a file does not say

Pictures = dict[int, Picture]  # squares [224, 224, 3] by their time in the stream's ticks


def spread(container: InputContainer, stream: VideoStream, length_s: float, most_pixels: int) -> Pictures:
    """Up to eight pictures evenly over the video: the key frames before eight times, or after them, or what is between.

    A key frame decodes alone. Where there are fewer than eight, the decoder goes on from one to the times that are
    left, as far as `most_pixels` allow; no picture is taken twice.
    """
    tick, begin = stream.time_base or Fraction(1, 1000), stream.start_time or 0
    gap = length_s / FRAMES / tick
    pictures: Pictures = {}
    left = []
    for part in range(FRAMES):
        at = begin + int(gap * (part + 0.5))
        packet = _key(container, stream, at)
        if packet is not None and _time(packet) in pictures:
            packet = _key(container, stream, at, backward=False)
        if packet is None or _time(packet) in pictures or _time(packet) > at + gap / 2:
            left.append(at)
        elif frames := _decoded(stream, [packet, None]):
            pictures[_time(packet)] = cropped(frames[0], pixel_shape(stream))
        else:
            left.append(at)
    keys = [begin, *sorted(pictures)]
    between = [(max(key for key in keys if key <= at), at) for at in left]
    _fill(pictures, container, stream, between, most_pixels // (stream.width * stream.height))
    return pictures


def first(container: InputContainer, stream: VideoStream, most_pixels: int) -> Pictures:
    """The first picture that can be decoded, without any seeking."""
    frame = next(_frames(container, stream, 1 + most_pixels // (stream.width * stream.height)), None)
    return {} if frame is None else {0: cropped(frame, pixel_shape(stream))}


def _key(
    container: InputContainer, stream: VideoStream, at: int, *, backward: bool = True
) -> "Packet[VideoStream] | None":
    """The key frame before a time or after it, not yet decoded."""
    try:
        container.seek(at, stream=stream, backward=backward)
        return next((packet for packet in container.demux(stream) if packet.is_keyframe and packet.size), None)
    except av.FFmpegError:
        return None  # beyond the end of what is there


def _fill(
    pictures: Pictures, container: InputContainer, stream: VideoStream, left: Sequence[tuple[int, int]], most: int
) -> None:
    """Decode from key frames to the times that are left, at most so many pictures; times too far off are left out."""
    rate, tick = stream.average_rate or USUAL_RATE, stream.time_base or Fraction(1, 1000)
    stream.codec_context.skip_frame = "NONREF"  # half the work where every second picture is a B-frame
    ahead: Iterator[VideoFrame] = iter(())
    position = None
    for key, at in left:
        if position is None or position < key:
            ahead, position = _from(container, stream, key, most), key
        if (at - position) * tick * rate > most:
            continue
        for frame in ahead:
            most -= 1
            position = frame.pts if frame.pts is not None else position
            if position >= at:
                pictures[position] = cropped(frame, pixel_shape(stream))
                break


def _from(container: InputContainer, stream: VideoStream, at: int, most: int) -> Iterator[VideoFrame]:
    try:
        seek(container, stream, at)
    except av.FFmpegError:
        return
    yield from _frames(container, stream, most)


def _frames(container: InputContainer, stream: VideoStream, most: int) -> Iterator[VideoFrame]:
    """Pictures in their order from here on, out of at most twice as many packets, damaged ones left out."""
    packets = container.demux(stream)
    for _ in range(2 * most):
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        yield from _decoded(stream, [packet])


def _decoded(stream: VideoStream, packets: "Sequence[Packet[VideoStream] | None]") -> list[VideoFrame]:
    frames = []
    for packet in packets:
        try:
            frames += stream.codec_context.decode(packet)
        except MemoryError:
            raise  # also FFmpeg's own
        except av.FFmpegError:
            continue
    return frames


def _time(packet: "Packet[VideoStream]") -> int:
    times = (packet.pts, packet.dts, packet.pos)
    return next((time for time in times if time is not None), 0)


def cropped(frame: VideoFrame, shape: Fraction) -> Picture:
    """The middle of a picture, upright: uint8 [224, 224, 3], the shorter side scaled to 224.

    shape  width of a stored pixel by its height
    """
    width, height = frame.width * shape, Fraction(frame.height)
    scale, longest = SIDE / min(width, height), SIDE * MAX_ASPECT
    small = _scaled(frame, *(min(round(side * scale), longest) for side in (width, height)))
    top, left = ((side - SIDE) // 2 for side in small.shape[:2])
    return np.ascontiguousarray(upright(small[top : top + SIDE, left : left + SIDE], matrix_of(frame)))


def _scaled(frame: VideoFrame, width: int, height: int) -> Picture:
    # BICUBIC took 2.3 ms instead of 1.4 for 720 x 1280
    small = frame.reformat(width, height, "rgb24", interpolation="BILINEAR", threads=1).to_ndarray()
    return small.astype(np.uint8, copy=False)


def pixel_shape(stream: VideoStream) -> Fraction:
    """Width of a pixel by its height; 1 where the file does not say, or says nonsense, and of pictures.

    In a JPEG or PNG that is the density of a print, which browsers leave aside too.
    """
    shape, form = stream.sample_aspect_ratio, stream.container.format.name
    if not shape or not 1 / MAX_SHAPE <= shape <= MAX_SHAPE or form.endswith("_pipe") or form in ("gif", "apng"):
        return Fraction(1)
    return Fraction(shape)
