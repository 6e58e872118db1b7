"""Files below the media root: written whole or not at all, and never anywhere else."""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from streams.api.errors import ProblemError

if TYPE_CHECKING:
    from tempfile import _TemporaryFileWrapper

_PART = re.compile(r"[A-Za-z0-9_~+@=-][A-Za-z0-9._~+@=-]{0,199}")  # no hidden file, no step upwards
MAX_PARTS = 8
TYPES = {  # what a browser may show; all else is a download, for a page of somebody's would run as one of ours
    ".mp4": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska", ".mov": "video/quicktime",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif",
    ".avif": "image/avif", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".wav": "audio/wav",
}  # fmt: skip


def media_type(name: str) -> str:
    """How a file is served, by its name.

    >>> media_type("a/clip.MP4"), media_type("page.html")
    ('video/mp4', 'application/octet-stream')
    """
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def place_below(root: Path, name: str) -> Path:
    """Where a name's file is, or would be; links that lead out of the root lead nowhere."""
    parts = name.split("/")
    if len(parts) > MAX_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ProblemError(
            422, "A media name is of letters, digits and . _ ~ + @ = - with / between folders, without a leading dot."
        )
    base = root.resolve()
    place = base.joinpath(*parts)
    if not place.parent.resolve().is_relative_to(base) or place.is_symlink():
        raise ProblemError(404, "There is no such file.")
    if place.is_dir():
        raise ProblemError(409, "This is a folder.")
    return place


async def write(place: Path, chunks: AsyncIterator[bytes], most: int) -> int:
    """Write a file beside its place and move it there once it is whole; returns its bytes.

    Chunks go to the page cache in the event loop, which takes less than handing each of them to a thread.
    """
    file = await asyncio.to_thread(_opened_beside, place)
    size, is_whole = 0, False
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise ProblemError(413, f"A media file may have {most} bytes.")
            file.write(chunk)
        is_whole = True
    except OSError as error:
        raise ProblemError(507, f"The file cannot be written: {error.strerror}.") from None
    finally:
        await asyncio.to_thread(_finish, file, place if is_whole else None)
    return size


def _opened_beside(place: Path) -> "_TemporaryFileWrapper[bytes]":
    try:
        _make_folders(place.parent)
        return tempfile.NamedTemporaryFile(prefix=".upload-", dir=place.parent, delete=False)
    except OSError as error:
        raise ProblemError(409, f"The file cannot be put there: {error.strerror}.") from None


def _make_folders(folder: Path) -> None:
    """Those that are missing, open to the encoding agent, which may be another user, whatever the umask."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)


def _finish(file: "_TemporaryFileWrapper[bytes]", place: Path | None) -> None:
    """Put a whole file into its place, on the disk; take away one that is not whole."""
    beside = Path(file.name)
    try:
        with file:
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # the encoding agent may be another user
        if place is not None:
            beside.replace(place)
    except OSError as error:
        raise ProblemError(507, f"The file cannot be written: {error.strerror}.") from None
    finally:
        beside.unlink(missing_ok=True)
