"""A converted log is written to a file: uploads before the first event of their video, exposures never split."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from schemas.messages.feedback import VideoEvent
from schemas.messages.feedback import encode as encode_event
from schemas.messages.videos import Upload
from schemas.messages.videos import encode as encode_video
from streams.errors import OperatorError

UNTAGGED = "untagged"  # an upload needs at least one text field; 96 of KuaiRand's videos have no category

Row = dict[str, Any]  # a row of a table: what each column holds is the data set's affair


@dataclass(frozen=True)
class Counts:
    """What a conversion read and wrote."""

    rows: int  # without exact duplicates
    duplicates: int
    uploads: int
    clamped: int  # uploads dated back to their video's first event
    events: dict[str, int]  # by kind


class Converted(NamedTuple):
    """A log in memory: rows read, uploads, events in the order in which they are written."""

    rows: int
    duplicates: int
    uploads: list[Upload]
    events: list[VideoEvent]


def write_log(log: Converted, out: Path, limit: int | None) -> Counts:
    """Write a log; a file of that name is replaced only by a complete one."""
    events = _first(log.events, limit)
    uploads, clamped = _in_time_for(events, log.uploads)
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(encode_video(upload) + b"\n" for upload in uploads)
            file.writelines(encode_event(event) + b"\n" for event in events)
        part.replace(out)
    except OSError as error:
        raise OperatorError(
            f"{out} cannot be written: {error.strerror}.", "Name a file in a folder that you may write to."
        ) from error
    kinds = Counter(str(type(event).__struct_config__.tag) for event in events)
    return Counts(log.rows, log.duplicates, len(uploads), clamped, dict(sorted(kinds.items())))


def _first(events: list[VideoEvent], limit: int | None) -> list[VideoEvent]:
    """The first `limit` events and what else happened at the last one's time, so that no exposure is split."""
    if limit is None or limit >= len(events):
        return events
    end = max(limit, 0)
    while 0 < end < len(events) and events[end].at_ms == events[end - 1].at_ms:
        end += 1
    return events[:end]


def _in_time_for(events: Iterable[VideoEvent], uploads: Iterable[Upload]) -> tuple[list[Upload], int]:
    """Uploads by time, each at its video's first event at the latest; how many were dated back.

    A video with events but without an upload gets one that says only that it exists.
    """
    first_ms: dict[str, int] = {}
    for event in events:
        first_ms.setdefault(event.video_id, event.at_ms)
    dated, clamped = [], 0
    for upload in uploads:
        latest_ms = first_ms.pop(upload.video_id, upload.at_ms)
        if upload.at_ms > latest_ms:
            clamped += 1
            upload = msgspec.structs.replace(upload, at_ms=latest_ms)
        dated.append(upload)
    dated += [Upload(video_id=video_id, at_ms=at_ms, tags=[UNTAGGED]) for video_id, at_ms in first_ms.items()]
    return sorted(dated, key=lambda upload: upload.at_ms), clamped  # stable: ties keep the order of the file


def csv_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    opener = gzip.open if path.suffix == ".gz" else Path.open
    try:
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text)
            require_columns(columns, rows.fieldnames or (), path)
            yield from rows
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise OperatorError(f"{path} cannot be read: {error}.", "Download it again.") from error


def require_columns(columns: Sequence[str], found: Sequence[str], path: Path) -> None:
    missing = [name for name in columns if name not in found]
    if missing:
        raise OperatorError(f"{path} lacks the columns {missing}.", "Is it the file of this data set?")


def one_file(src: Path, pattern: str) -> Path:
    for path in sorted(src.glob(pattern)):
        return path
    raise OperatorError(f"{src} holds no {pattern}.", "Name the folder of the data set's files.")
