"""What is still there of a person: every topic read raw from its start, the index's payloads, and our own files."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from encoders.base import LABELS
from ranker.profile.event_ids import SEPARATOR
from schemas.settings.model import Settings
from streams.errors import missing_topic
from streams.kafka.command_reader import command_reader
from streams.kafka.records import Record
from streams.kafka.topic_admin import Config, topic_configs
from streams.operations.user_id_scan import contains_user_id, lines_with_user_id

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient
    from qdrant_client.http.models import ExtendedPointId
    from qdrant_client.http.models import Record as Point

Kind = Literal["compacted", "kept by time", "index", "file"]

ABORTED_TOO = {"isolation.level": "read_uncommitted"}  # records of aborted transactions lie in the log as well
PAGE_SIZE = 1000  # points


@dataclass
class AuditFinding:
    """What one topic, collection or file still holds of the person."""

    place: str
    kind: Kind
    looked_at: int = 0  # records, points or lines
    hits: int = 0
    tombstones: int = 0  # of the hits: null values under a key of the person's
    alive: bool = False  # the newest record under a key of the person's is not a tombstone
    last_ms: int = 0  # newest time of a record that is a hit
    config: Config = field(default_factory=dict)

    @property
    def must_be_gone(self) -> bool:
        """Whether a hit here breaks the promise; what is kept by time expires by itself."""
        return self.kind != "kept by time"

    @property
    def expires_ms(self) -> int | None:
        """From when on the broker may delete the last hit of a topic that is kept by time."""
        kept_ms = int(self.config.get("retention.ms", -1))
        return self.last_ms + kept_ms if self.kind == "kept by time" and self.hits and kept_ms >= 0 else None

    @property
    def gone_ms(self) -> int | None:
        """When it is gone at the latest: a segment is deleted as a whole, after its newest record has expired."""
        return self.expires_ms + int(self.config["segment.ms"]) if self.expires_ms is not None else None


def audit(settings: Settings, user_id: str) -> Iterator[AuditFinding]:
    """Look everywhere, one place after the other; places without a hit are reported too."""
    topics = topic_configs(settings)
    if not topics:
        raise missing_topic(f"{settings.prefix}…")
    with command_reader(settings, ABORTED_TOO) as reader:
        for topic, config in sorted(topics.items()):
            kind: Kind = "compacted" if "compact" in config["cleanup.policy"] else "kept by time"
            yield in_records(AuditFinding(topic, kind, config=config), reader.records(topic), user_id)
    if settings.qdrant_url:
        yield from asyncio.run(_in_index(settings, user_id))
    yield from in_files(settings.data_dir, user_id)


def in_records(found: AuditFinding, records: Iterable[Record], user_id: str) -> AuditFinding:
    """Count the records that name the person in key, value or headers."""
    key, alive = user_id.encode(), set[bytes]()
    for record in records:
        found.looked_at += 1
        of_person = record.key is not None and record.key.partition(SEPARATOR.encode())[0] == key
        headers = (value for _, value in record.headers)
        if not (of_person or any(contains_user_id(data, user_id) for data in (record.key, record.value, *headers))):
            continue
        found.hits += 1
        found.last_ms = max(found.last_ms, record.timestamp)
        if of_person and record.key is not None:  # one key, one partition: the last one seen is the newest
            (alive.add if record.value is not None else alive.discard)(record.key)
            found.tombstones += record.value is None
    found.alive = bool(alive)
    return found


def in_files(folder: Path, user_id: str) -> Iterator[AuditFinding]:
    """Look through a folder's files, line by line, but for those that hold no id and whose bytes could look like one.

    These are a broker's segments, whose topics are read, and the vectors of labels.
    """
    total = AuditFinding(str(folder), "file")
    for file in _files(folder):
        total.looked_at += 1
        for number in lines_with_user_id(file, user_id):
            yield AuditFinding(f"{file}:{number}", "file", looked_at=1, hits=1)
    yield total


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            if path.name != LABELS and not path.is_symlink() and not (path / "meta.properties").exists():
                yield from _files(path)
        elif path.is_file():
            yield path


async def _in_index(settings: Settings, user_id: str) -> list[AuditFinding]:
    """Every payload of our collections in the Qdrant server; vectors are of videos, never of people."""
    from streams.qdrant.client import READING, client_of, with_retries  # heavy, and most systems have no such server
    from streams.qdrant.mapping import alias_of

    client = client_of(settings, only_reads=True)
    try:
        there = await with_retries("list its collections", client.get_collections, READING)
        ours = [one.name for one in there.collections if one.name.startswith(f"{alias_of(settings)}-")]
        return [await in_collection(client, name, user_id) for name in sorted(ours)]
    finally:
        await client.close()


async def in_collection(client: "AsyncQdrantClient", collection: str, user_id: str) -> AuditFinding:
    """Count the payloads of one collection that name the person."""
    from streams.qdrant.client import WRITING, with_retries

    found = AuditFinding(f"qdrant {collection}", "index")
    after: ExtendedPointId | None = None
    while True:

        async def page(after: "ExtendedPointId | None" = after) -> "tuple[list[Point], ExtendedPointId | None]":
            return await client.scroll(collection, limit=PAGE_SIZE, offset=after, with_payload=True, with_vectors=False)

        points, after = await with_retries("show its payloads", page, WRITING)
        found.looked_at += len(points)
        found.hits += sum(_holds(point.payload, user_id) for point in points)
        if after is None:
            return found


def _holds(payload: Any, user_id: str) -> bool:  # JSON: whatever a point's payload holds
    match payload:
        case dict():
            return any(_holds(one, user_id) for pair in payload.items() for one in pair)
        case list():
            return any(_holds(one, user_id) for one in payload)
        case _:
            return bool(payload == user_id)
