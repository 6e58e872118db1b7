"""A backup: the state topics copied into a folder, a file each, with a manifest that is written last.

A file's lines are those of a recording (recorded.py), in the order of each partition, so headers and times are kept.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import msgspec

from schemas.settings.model import Settings
from schemas.topics import STATE
from streams.errors import OperatorError
from streams.kafka.command_reader import CommandReader, command_reader
from streams.kafka.records import Record
from streams.kafka.unreadable import UnreadableBatch
from streams.logs.recorded import line_of, record_of

MANIFEST = "backup.json"
FORMAT = 1  # of the folder; another one is refused
PROGRESS_EVERY = 1000  # records
TAKE_ANOTHER = "Restore from another backup, or copy this one again."

OnProgress = Callable[[str, int], None]  # topic without the prefix, and records of it so far


class Part(msgspec.Struct, frozen=True):
    """One topic of a backup."""

    topic: str  # without the prefix
    partitions: int
    records: int
    sha256: str  # of the file
    unreadable: tuple[str, ...] = ()  # batches that are left out, since nobody can read them: where, and why

    @property
    def file(self) -> str:
        """Its file's name in the folder."""
        return f"{self.topic}.jsonl"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds; it is there once all of it is."""

    format: int
    freshet: str  # the version that wrote it
    prefix: str
    began_at: str  # before the first topic was read, UTC
    topics: tuple[Part, ...]


def back_up(settings: Settings, folder: Path, on_progress: OnProgress = lambda *_: None) -> Manifest:
    """Copy every state topic, up to its end at the time when it is read; OperatorError where the folder is in use."""
    _require_empty(folder)
    began_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with command_reader(settings) as reader:
        for topic in STATE:
            reader.require_partitions(topic.full(settings.prefix))  # before anything is written
        parts = tuple(_copy(settings, reader, topic.name, folder, on_progress) for topic in STATE)
    manifest = Manifest(FORMAT, version("freshet"), settings.prefix, began_at, parts)
    unfinished = folder / f"{MANIFEST}.part"
    with _owners_own(unfinished) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        _to_disk(file.fileno())
    unfinished.rename(folder / MANIFEST)
    return manifest


def opened(folder: Path) -> Manifest:
    """The manifest of a backup; OperatorError where there is none that can be used."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise OperatorError(f"{folder} holds no finished backup: it has no {MANIFEST}.", TAKE_ANOTHER) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{folder / MANIFEST} cannot be read: {error}.", TAKE_ANOTHER) from None
    if manifest.format != FORMAT:
        cause = f"{folder} is a backup of format {manifest.format}, and this release knows {FORMAT}."
        raise OperatorError(cause, f"Restore with Freshet {manifest.freshet}, which wrote it.")
    if lacking := {topic.name for topic in STATE} - {part.topic for part in manifest.topics}:
        raise OperatorError(f"{folder} lacks {', '.join(sorted(lacking))}.", TAKE_ANOTHER)
    return manifest


def require_whole(folder: Path, manifest: Manifest) -> None:
    """Raise OperatorError unless every file is as it was written."""
    for part in manifest.topics:
        path = folder / part.file
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise OperatorError(f"{path} is missing.", TAKE_ANOTHER) from None
        if found != part.sha256:
            raise OperatorError(f"{path} is not as it was written: its SHA-256 is another one.", TAKE_ANOTHER)


def records_of(folder: Path, part: Part) -> Iterator[Record]:
    """The records of one topic, in the order of each of its partitions."""
    with (folder / part.file).open("rb") as file:
        for number, line in enumerate(file, 1):
            if (found := record_of(line)) is None:
                raise OperatorError(f"{folder / part.file}, line {number}, is no record.", TAKE_ANOTHER)
            yield found[0]


def _copy(settings: Settings, reader: CommandReader, name: str, folder: Path, on_progress: OnProgress) -> Part:
    topic, digest, count, unreadable = settings.prefix + name, hashlib.sha256(), 0, list[str]()
    partitions = len(reader.require_partitions(topic))
    with _owners_own(folder / f"{name}.jsonl") as file:
        for record in reader.records(topic, on_unreadable=lambda batch: unreadable.append(_said(batch))):
            line = line_of(record, partitions)
            file.write(line)
            digest.update(line)
            count += 1
            if count % PROGRESS_EVERY == 0:
                on_progress(name, count)
        file.flush()
        _to_disk(file.fileno())
    on_progress(name, count)
    return Part(name, partitions, count, digest.hexdigest(), tuple(unreadable))


def _said(batch: UnreadableBatch) -> str:
    return f"{batch.topic}[{batch.partition}]: {batch.detail}"


def _require_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds what people did
    if any(folder.iterdir()):
        raise OperatorError(f"{folder} is not empty.", "Name another folder: each backup has its own.")


def _owners_own(path: Path) -> BinaryIO:
    """A new file that its owner alone may read, whatever the folder's rights are."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)
