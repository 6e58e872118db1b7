"""How long a file lasts, and each of its streams: pictures may end long before the sound, or after it."""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from math import inf

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from encoders.media.types import Limits, MediaError

Stream = VideoStream | AudioStream
SAY = ("mov", "avi")  # containers that give the length of each stream
TICKS = 1_000_000  # a second of a container's own clock
BY_DECODING = ("mpegts", "mpeg")  # containers that are searched by the times at which pictures are decoded,
LEAD_S = 1  # which lie before those at which they are shown, by less than this


def length_s(container: InputContainer, streams: Sequence[Stream], limits: Limits) -> float:
    """Seconds that the file lasts: as its container says, or else by the times of these streams' packets."""
    if container.duration is not None:
        found_s = container.duration / TICKS
    else:
        found_s = _packets_s(container, streams, limits)
        rewind(container, streams[0])
    if found_s * 1000 > limits.duration_ms:
        raise MediaError(f"it lasts {found_s:.0f} s, {limits.duration_ms // 1000} are allowed; make it shorter")
    return max(0.0, found_s)


def own_length_s(container: InputContainer, stream: Stream, whole_s: float, limits: Limits) -> float:
    """Seconds that one stream lasts, from its own beginning.

    MP4, QuickTime and AVI say so. Of others FFmpeg may give the length of the file for each stream, so their packets
    are read from the last key frame on, or all of them; none is decoded.
    """
    tick = stream.time_base or Fraction(1, 1000)
    own_s = float(stream.duration * tick) if stream.duration and container.format.name.startswith(SAY) else 0.0
    if own_s <= 0.0:
        with suppress(av.FFmpegError):
            container.seek((stream.start_time or 0) + int(whole_s / tick), stream=stream)
            own_s = _packets_s(container, [stream], limits, whole_s + 1)
    if own_s <= 0.0:
        rewind(container, stream)
        own_s = _packets_s(container, [stream], limits, whole_s + 1)
    rewind(container, stream)
    return own_s if 0.0 < own_s < whole_s else whole_s


def rewind(container: InputContainer, stream: Stream) -> None:
    """Back to the beginning, where that is possible."""
    with suppress(av.FFmpegError):
        seek(container, stream, stream.start_time or 0)


def seek(container: InputContainer, stream: Stream, at: int) -> None:
    """To the key frame at a time, or to what lies before it."""
    lead = int(LEAD_S / (stream.time_base or Fraction(1, 1000))) if container.format.name in BY_DECODING else 0
    container.seek(at - lead, stream=stream)


def _packets_s(container: InputContainer, streams: Sequence[Stream], limits: Limits, longest_s: float = inf) -> float:
    """Seconds from the streams' beginning to the end of their last packet; so many packets are looked at, at most.

    longest_s  a time beyond that is none: in MPEG-TS the one before the first is 26 hours long
    """
    last_s = 0.0
    with suppress(av.FFmpegError):  # the file is cut off: what came before counts
        for packet, _ in zip(container.demux(*streams), range(limits.packets), strict=False):
            if packet.pts is not None:
                begin, tick = packet.stream.start_time or 0, packet.time_base or Fraction(1, 1000)
                end_s = float((packet.pts + (packet.duration or 0) - begin) * tick)
                last_s = max(last_s, end_s if end_s <= longest_s else 0.0)
    return last_s
