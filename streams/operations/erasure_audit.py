"""What is still there of a person: every topic read raw from its start, the index's payloads, and our own files."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import KafkaError, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.client import ASK_S
from streams.kafka.reader import groupless
from streams.operations.user_id_scan import contains_user_id, lines_naming

Kind = Literal["compacted", "kept by time", "index", "file"]
Config = Mapping[str, str]

AT_ONCE = 5000
PAGE = 1000  # points
WAIT_S = 0.2
SILENT_WAITS = 150  # so many empty answers in a row mean that the broker does not deliver


@dataclass
class AuditFinding:
    """What one topic, collection or file still says of the person."""

    place: str
    kind: Kind
    looked_at: int = 0  # records, points or lines
    hits: int = 0
    tombstones: int = 0  # of the hits: null values under the person's key
    alive: bool = False  # the newest record under the person's key is no tombstone
    last_ms: int = 0  # newest time of a record that is a hit
    config: Config = field(default_factory=dict)

    @property
    def must_be_gone(self) -> bool:
        """Whether a hit here breaks the promise; what is kept by time goes by itself."""
        return self.kind != "kept by time"

    @property
    def expires_ms(self) -> int | None:
        """From when on the broker may delete the last hit of a topic that is kept by time."""
        kept_ms = int(self.config.get("retention.ms", -1))
        return self.last_ms + kept_ms if self.kind == "kept by time" and self.hits and kept_ms >= 0 else None

    @property
    def gone_ms(self) -> int | None:
        """When it is gone at the latest: a segment is deleted in whole, after its newest record has expired."""
        return self.expires_ms + int(self.config["segment.ms"]) if self.expires_ms is not None else None


def traces(settings: Settings, user_id: str) -> Iterator[AuditFinding]:
    """Look everywhere, one place after the other; places without a hit are told as well."""
    topics = _configs(settings)
    if not topics:
        raise OperatorError(f"{settings.bootstrap} has no topic named {settings.prefix}…", "Name the --prefix in use.")
    for topic, config in sorted(topics.items()):
        kind: Kind = "compacted" if "compact" in config["cleanup.policy"] else "kept by time"
        yield in_records(AuditFinding(topic, kind, config=config), _records(settings, topic), user_id)
    if settings.qdrant_url:
        yield from asyncio.run(_in_index(settings, user_id))
    yield from in_files(settings.data_dir, user_id)


def in_records(found: AuditFinding, records: Iterable[Any], user_id: str) -> AuditFinding:
    """Count what names the person in key, value or headers of confluent-kafka's messages."""
    key = user_id.encode()
    for record in records:
        found.looked_at += 1
        of_person = record.key() == key
        headers = (value for _, value in record.headers() or ())
        if not (of_person or any(contains_user_id(data, user_id) for data in (record.key(), record.value(), *headers))):
            continue
        found.hits += 1
        found.last_ms = max(found.last_ms, record.timestamp()[1])
        if of_person:  # one key, one partition: the last one seen is the newest
            found.alive = record.value() is not None
            found.tombstones += record.value() is None
    return found


def in_files(folder: Path, user_id: str) -> Iterator[AuditFinding]:
    """Look through a folder's files, line by line; a broker's segments are left out, for their topics are read."""
    looked = AuditFinding(str(folder), "file")
    for file in _files(folder):
        looked.looked_at += 1
        for number in lines_naming(file, user_id):
            yield AuditFinding(f"{file}:{number}", "file", looked_at=1, hits=1)
    yield looked


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink() and not (path / "meta.properties").exists():
            yield from _files(path)
        elif path.is_file():
            yield path


def _configs(settings: Settings) -> dict[str, Config]:
    """Configuration of every topic whose name begins with the prefix, as the broker has it."""
    with topic_admin.connected(settings) as client:
        topics = [name for name in client.list_topics() if name.startswith(settings.prefix)]
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        found = client.describe_configs(asked, config_filter="all")["topic"] if asked else {}
    return {name: {key: str(entry["value"]) for key, entry in config.items()} for name, config in found.items()}


def _records(settings: Settings, topic: str) -> Iterator[Any]:
    """Every record of a topic up to its present end, also of transactions that were given up."""
    everything: dict[str, Any] = {"isolation.level": "read_uncommitted"}
    with groupless(settings, **everything) as consumer:
        numbers = consumer.list_topics(topic, timeout=ASK_S).topics[topic].partitions
        marks = {n: consumer.get_watermark_offsets(TopicPartition(topic, n)) for n in numbers}
        left: set[int | None] = {n for n, (low, high) in marks.items() if high > low}
        consumer.assign([TopicPartition(topic, n, marks[n][0]) for n in numbers if n in left])
        silent = 0
        while left:
            batch = consumer.consume(AT_ONCE, WAIT_S)
            silent = 0 if batch else silent + 1
            if silent > SILENT_WAITS:
                raise OperatorError(f"{topic}: the broker delivers nothing more, short of the end.", "Try again.")
            for record in batch:
                error = record.error()
                if error is None:
                    yield record
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(record.partition())
                else:
                    raise OperatorError(f"{topic}: {error.str()}.", "Check the broker and the rights.")


async def _in_index(settings: Settings, user_id: str) -> list[AuditFinding]:
    """Every payload of our collections in the Qdrant server; vectors are of videos, never of people."""
    from streams.qdrant.client import READING, connect, patiently

    client = connect(settings.qdrant_url, settings.qdrant_api_key.get_secret_value())
    try:
        there = await patiently("list its collections", client.get_collections, READING)
        ours = [one.name for one in there.collections if one.name.startswith(settings.qdrant_collection)]
        return [await in_collection(client, name, user_id) for name in sorted(ours)]
    finally:
        await client.close()


async def in_collection(client: Any, collection: str, user_id: str) -> AuditFinding:
    """Every payload of one collection."""
    from streams.qdrant.client import WRITING, patiently

    found, place = AuditFinding(f"qdrant {collection}", "index"), None
    while True:

        async def page(after: Any = place) -> Any:
            return await client.scroll(collection, limit=PAGE, offset=after, with_payload=True, with_vectors=False)

        points, place = await patiently("show its payloads", page, WRITING)
        found.looked_at += len(points)
        found.hits += sum(_holds(point.payload, user_id) for point in points)
        if place is None:
            return found


def _holds(payload: Any, user_id: str) -> bool:
    match payload:
        case dict():
            return any(_holds(one, user_id) for pair in payload.items() for one in pair)
        case list():
            return any(_holds(one, user_id) for one in payload)
        case _:
            return bool(payload == user_id)
