"""Reads files below one folder and no others, whatever links and names are tried."""

import os
import stat
from contextlib import ExitStack
from pathlib import Path

from encoders.media.types import MediaError
from schemas.messages.dead_letters import Reason

_ALWAYS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class UrlForbidden(Exception):
    """An address that may not be fetched, with the reason in one sentence."""

    reason = Reason.URL_FORBIDDEN


def read_below(root: Path, name: str, most: int) -> bytes:
    """The bytes of a regular file at a path below the folder; links are followed as long as they stay below it."""
    if "\0" in name:
        raise UrlForbidden("the path holds a null character; correct media_uri")
    try:
        base = root.resolve(strict=True)
        path = (base / name.lstrip("/")).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        raise MediaError(f"{name} cannot be read below media_root ({_why(error)}); put the file there") from None
    if not path.is_relative_to(base) or path == base:
        raise UrlForbidden(f"{name} leads out of media_root; only files below it are read")
    try:
        return _read(base, path.relative_to(base).parts, name, most)
    except OSError as error:
        raise MediaError(f"{name} cannot be read below media_root ({_why(error)}); put the file there") from None


def _read(base: Path, parts: tuple[str, ...], name: str, most: int) -> bytes:
    """Open folder by folder without following links: what was resolved before may have been changed since."""
    with ExitStack() as opened:
        at = os.open(base, _ALWAYS | os.O_DIRECTORY)
        opened.callback(os.close, at)
        for folder in parts[:-1]:
            at = os.open(folder, _ALWAYS | os.O_DIRECTORY, dir_fd=at)
            opened.callback(os.close, at)
        fd = os.open(parts[-1], _ALWAYS | os.O_NONBLOCK, dir_fd=at)  # a pipe without a writer would wait
        opened.callback(os.close, fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UrlForbidden(f"{name} is not a regular file; only those are read")
        with open(fd, "rb", closefd=False) as file:
            data = file.read(most + 1)
    if len(data) > most:
        raise MediaError(f"{name} has more than {most} bytes; make it smaller")
    return data


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
