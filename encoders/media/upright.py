"""How a decoded picture has to be turned, mirrored and stretched to be seen as it was meant."""

from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # [H, W, 3], RGB


def _unnamed(kind: type[Type], value: int) -> Type:
    """A kind of side data that FFmpeg has and PyAV does not name, such as EXIF: without this, none could be read."""
    member: Any = object.__new__(kind)
    member._name_, member._value_ = f"KIND_{value}", value
    return member  # type: ignore[no-any-return]


Type._missing_ = classmethod(_unnamed)  # type: ignore[method-assign,assignment]


def matrix_of(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The display matrix (a, b, c, d) of a frame: what is stored at (x, y) is shown at (ax + cy, bx + dy).

    FFmpeg makes it of a container's track header, of EXIF, and of the rotation and mirror of HEIF and AVIF.
    """
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = np.frombuffer(cast(Any, found), np.int32).tolist()  # 16.16
    return a, b, c, d


def upright(picture: Picture, matrix: tuple[int, int, int, int]) -> Picture:
    """Turn and mirror a picture by the nearest quarter turn, as FFmpeg's autorotate does.

    >>> marks = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    >>> upright(marks, (0, 1, -1, 0))[..., 0].tolist()  # a quarter turn clockwise
    [[3, 0], [4, 1], [5, 2]]
    """
    a, b, c, d = matrix
    right, down = a, d
    if abs(a * d) < abs(b * c):
        picture, right, down = picture.swapaxes(0, 1), c, b
    return picture[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
