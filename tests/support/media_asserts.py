"""What is seen and heard in media that were read, where tests.support.clips made them."""

import numpy as np
from numpy.typing import NDArray

from encoders.media.types import RATE, Media
from tests.support.clips import BLUE, RED

Picture = NDArray[np.uint8]


def frames_of(media: Media, count: int) -> Picture:
    assert media.frames is not None
    assert (media.frames.shape, media.frames.dtype) == ((count, 224, 224, 3), np.dtype(np.uint8))
    return media.frames


def is_near(pixel: Picture, colour: tuple[int, int, int], most: int = 40) -> bool:
    return int(np.abs(pixel.astype(int) - colour).max()) <= most


def square_at(frame: Picture) -> float:
    """Where the bright square is, 0..1 from left to right."""
    _, columns = np.nonzero(frame.min(axis=2) > 180)
    return float(columns.mean()) / int(frame.shape[1])


def is_the_scene(media: Media) -> bool:
    frame = media.frames[0] if media.frames is not None else np.zeros((224, 224, 3), np.uint8)
    return is_near(frame[5, 112], RED) and is_near(frame[218, 112], BLUE)


def pitch_of(media: Media) -> float:
    assert media.sound is not None
    strength = np.abs(np.fft.rfft(media.sound * np.hanning(len(media.sound))))
    return float(strength.argmax()) * RATE / len(media.sound)
