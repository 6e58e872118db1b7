"""What is read of a media file: pictures, sound and length; the limits, and the sandbox's answer as bytes."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from schemas.messages.dead_letters import Reason

FRAMES, SIDE = 8, 224  # pictures of a video, and their height and width
RATE = 16_000  # samples of sound a second
FRAME_BYTES = SIDE * SIDE * 3
HEAD_BYTES = 4096

MiB = 1024 * 1024
NonNegativeInt = Annotated[int, Meta(ge=0)]


class MediaError(Exception):
    """A video, picture or sound that cannot be used: one sentence.

    passing  whether a later attempt may succeed
    """

    reason: ClassVar[Reason] = Reason.MEDIA

    def __init__(self, sentence: str, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.passing = passing


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may be, and what decoding it may cost; docs/content.md gives the reasons."""

    bytes: int = 100 * MiB
    pixels: int = 36_000_000  # of a picture: 8K has 33 million
    duration_ms: int = 4 * 60 * 60 * 1000
    streams: int = 32
    decoded: int = 100_000_000  # pixels of pictures between key frames: 0.2 s of CPU
    packets: int = 200_000  # looked at where the file does not say how long it is
    sound_s: int = 30
    memory: int = 512 * MiB  # of address space, above what the process has before
    cpu_s: int = 10
    wall_s: float = 20.0


@dataclass(frozen=True, eq=False)
class Media:
    """What was read of one file; what is missing is None.

    frames       uint8 [F, 224, 224, 3], RGB, upright, spread evenly over the video, F at most 8; 1 of a still picture
    sound        float32 [S], mono, 16 kHz, -1..1; silence is None
    duration_ms  as the container says, or else by the times of its packets; None of a still picture
    """

    frames: NDArray[np.uint8] | None = None
    sound: NDArray[np.float32] | None = None
    duration_ms: int | None = None


class _Head(msgspec.Struct, frozen=True):
    """The fields that precede the arrays of an answer."""

    refused: str | None = None
    frames: Annotated[int, Meta(ge=0, le=FRAMES)] = 0
    samples: NonNegativeInt = 0
    duration_ms: NonNegativeInt | None = None


def answer_bytes(limits: Limits) -> int:
    """The largest size of an answer."""
    return 4 + HEAD_BYTES + FRAMES * FRAME_BYTES + limits.sound_s * RATE * 4


def pack(read: Media | str) -> list[bytes | NDArray[Any]]:
    """What was read, or why nothing was, as bytes; the first 4 hold the length of the head and are written last."""
    if isinstance(read, str):
        head = msgspec.json.encode(_Head(refused=read[:300]))
        return [len(head).to_bytes(4, "little"), head]
    frames = b"" if read.frames is None else np.ascontiguousarray(read.frames)
    sound = b"" if read.sound is None else np.ascontiguousarray(read.sound, "<f4")
    head = msgspec.json.encode(_Head(None, len(frames), len(sound), read.duration_ms))
    return [len(head).to_bytes(4, "little"), head, frames, sound]


def unpack(answer: bytes) -> Media:
    """Read an answer, trusting nothing in it: a file that took over its decoder may have written it."""
    at = 4 + int.from_bytes(answer[:4], "little")
    try:
        head = msgspec.json.decode(answer[4:at], type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MediaError("the decoder's answer cannot be read; convert the file again") from error
    if head.refused is not None:
        raise MediaError("".join(ch if ch.isprintable() else "?" for ch in head.refused[:300]))
    ends = np.cumsum([at, head.frames * FRAME_BYTES, head.samples * 4]).tolist()
    if ends[-1] > len(answer):
        raise MediaError("the decoder answered more than it may; convert the file again")
    frames = np.frombuffer(answer, np.uint8, ends[1] - at, at).reshape(-1, SIDE, SIDE, 3)
    sound = np.nan_to_num(np.frombuffer(answer, "<f4", head.samples, ends[1])).clip(-1, 1)  # AAC goes beyond 1
    return Media(
        frames=frames if len(frames) else None,
        sound=sound.astype(np.float32, copy=False) if sound.any() else None,
        duration_ms=head.duration_ms,
    )
