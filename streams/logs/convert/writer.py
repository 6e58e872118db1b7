"""A converted log is written to a file: uploads before the first event of their video, exposures never split."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from schemas.messages.feedback import VideoEvent
from schemas.messages.feedback import encode as encode_event
from schemas.messages.videos import Upload
from schemas.messages.videos import encode as encode_video
from streams.errors import OperatorError

UNTAGGED = "untagged"  # an upload needs at least one text field; 96 of KuaiRand's videos have no category


@dataclass(frozen=True)
class Counts:
    """What a conversion read and wrote."""

    rows: int  # without exact duplicates
    duplicates: int
    uploads: int
    clamped: int  # uploads dated back to their video's first event
    events: dict[str, int]  # by kind


@dataclass
class RowCounts:
    """Rows as they are read, to their end."""

    rows: int = 0
    duplicates: int = 0


@dataclass
class _Written:
    """What is known of the events in the file."""

    first_ms: dict[str, int] = field(default_factory=dict)  # of each video
    kinds: Counter[str] = field(default_factory=Counter)


@contextmanager
def complete(out: Path) -> Iterator[BinaryIO]:
    """A file to write, which replaces one of that name when it is complete; an OperatorError where that cannot be."""
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(out)
    except OSError as error:
        cause = f"{error.filename or out} cannot be written: {error.strerror}."
        raise OperatorError(cause, "Name a file in a folder that you may write to.") from error
    finally:
        part.unlink(missing_ok=True)


def write_log(
    events: Iterator[VideoEvent],
    uploads_from: Callable[[int | None], Iterable[Upload]],
    read: RowCounts,
    out: Path,
    limit: int | None,
) -> Counts:
    """Write a log; a file of that name is replaced only by a complete one.

    events        in the order in which they are written; read to their end, whatever the limit
    uploads_from  the uploads, given the time of the first event
    """
    beside = out.with_name(f"{out.name}.events.part")
    try:
        with complete(out) as file:
            with beside.open("wb") as first:
                written = _write_events(events, limit, first.write)
            uploads, clamped = _in_time_for(written.first_ms, uploads_from(next(iter(written.first_ms.values()), None)))
            file.writelines(encode_video(upload) + b"\n" for upload in uploads)
            with beside.open("rb") as rest:
                shutil.copyfileobj(rest, file)
    finally:
        beside.unlink(missing_ok=True)
    return Counts(read.rows, read.duplicates, len(uploads), clamped, dict(sorted(written.kinds.items())))


def _write_events(events: Iterator[VideoEvent], limit: int | None, write: Callable[[bytes], object]) -> _Written:
    """The first `limit` events and what else happened at the last one's time, so that no exposure is split."""
    written, last_ms = _Written(), None
    for event in events:
        if limit is not None and written.kinds.total() >= limit and event.at_ms != last_ms:
            continue  # the rest is read for its counts
        last_ms = event.at_ms if limit is None or written.kinds.total() < limit else last_ms
        written.first_ms.setdefault(event.video_id, event.at_ms)
        written.kinds[str(event.__struct_config__.tag)] += 1
        write(encode_event(event) + b"\n")
    return written


def _in_time_for(first_ms: dict[str, int], uploads: Iterable[Upload]) -> tuple[list[Upload], int]:
    """Uploads by time, each at its video's first event at the latest; how many were dated back.

    A video with events but without an upload gets one that says only that it exists.
    """
    left, dated, clamped = dict(first_ms), [], 0
    for upload in uploads:
        latest_ms = left.pop(upload.video_id, upload.at_ms)
        if upload.at_ms > latest_ms:
            clamped += 1
            upload = msgspec.structs.replace(upload, at_ms=latest_ms)
        dated.append(upload)
    dated += [Upload(video_id=video_id, at_ms=at_ms, tags=[UNTAGGED]) for video_id, at_ms in left.items()]
    return sorted(dated, key=lambda upload: upload.at_ms), clamped  # stable: ties keep the order of the file
