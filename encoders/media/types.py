"""What is read of a video file: pictures, sound and length; what is refused, and the limits."""

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
THUMBNAIL_BYTES, HEAD_BYTES = 256 * 1024, 4096  # 360 pixels of pure noise take 150 KiB
JPEG = b"\xff\xd8\xff"

MiB = 1024 * 1024
NonNegativeInt = Annotated[int, Meta(ge=0)]


class MediaError(Exception):
    """A video, picture or sound that cannot be used: one sentence.

    passing  whether trying again later may help
    """

    reason: ClassVar[Reason] = Reason.MEDIA

    def __init__(self, sentence: str, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.passing = passing


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may be, and what reading it may take; docs/content.md says why."""

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

    frames     uint8 [F, 224, 224, 3], RGB, upright, spread evenly over the video, F at most 8; 1 of a still picture
    sound      float32 [S], mono, 16 kHz, -1..1; silence is None
    thumbnail  JPEG of the first of the frames, uncropped, 360 pixels on its longer side
    """

    frames: NDArray[np.uint8] | None = None
    sound: NDArray[np.float32] | None = None
    duration_ms: int | None = None
    thumbnail: bytes | None = None


class _Head(msgspec.Struct, frozen=True):
    """What stands before the arrays of an answer."""

    refused: str | None = None
    frames: Annotated[int, Meta(ge=0, le=FRAMES)] = 0
    samples: NonNegativeInt = 0
    duration_ms: NonNegativeInt | None = None
    thumbnail: Annotated[int, Meta(ge=0, le=THUMBNAIL_BYTES)] = 0


def answer_bytes(limits: Limits) -> int:
    """How long an answer may be."""
    return 4 + HEAD_BYTES + FRAMES * FRAME_BYTES + limits.sound_s * RATE * 4 + THUMBNAIL_BYTES


def pack(read: Media | str) -> list[bytes | NDArray[Any]]:
    """What was read, or why nothing was, as bytes; the first 4 say how long the head is and are written last."""
    if isinstance(read, str):
        head = msgspec.json.encode(_Head(refused=read[:300]))
        return [len(head).to_bytes(4, "little"), head]
    frames = b"" if read.frames is None else np.ascontiguousarray(read.frames)
    sound = b"" if read.sound is None else np.ascontiguousarray(read.sound, "<f4")
    thumbnail = read.thumbnail or b""
    counted = _Head(None, len(frames), len(sound), read.duration_ms, len(thumbnail))
    head = msgspec.json.encode(counted)
    return [len(head).to_bytes(4, "little"), head, frames, sound, thumbnail]


def unpack(answer: bytes) -> Media:
    """Take an answer apart, trusting nothing in it: whoever made the file may have written it."""
    at = 4 + int.from_bytes(answer[:4], "little")
    try:
        head = msgspec.json.decode(answer[4:at], type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MediaError("the decoder's answer cannot be read; convert the file anew") from error
    if head.refused is not None:
        raise MediaError("".join(ch if ch.isprintable() else "?" for ch in head.refused[:300]))
    ends = np.cumsum([at, head.frames * FRAME_BYTES, head.samples * 4, head.thumbnail]).tolist()
    if ends[-1] > len(answer):
        raise MediaError("the decoder answered more than it may; convert the file anew")
    frames = np.frombuffer(answer, np.uint8, ends[1] - at, at).reshape(-1, SIDE, SIDE, 3)
    sound = np.nan_to_num(np.frombuffer(answer, "<f4", head.samples, ends[1])).clip(-1, 1)  # AAC goes beyond 1
    thumbnail = answer[ends[2] : ends[3]]
    return Media(
        frames=frames if len(frames) else None,
        sound=sound.astype(np.float32, copy=False) if sound.any() else None,
        duration_ms=head.duration_ms,
        thumbnail=thumbnail if thumbnail.startswith(JPEG) else None,
    )
