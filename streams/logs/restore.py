"""A backup put onto a broker whose state topics were made a moment ago, before any agent runs there."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.agents import Agent
from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.command_publisher import CommandPublisher, command_publisher
from streams.kafka.command_reader import command_reader
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.logs.backup import Manifest, OnProgress, Part, opened, records_of, require_whole

BATCH_RECORDS, BATCH_BYTES = 5000, 8 * 1024 * 1024  # of one partition, confirmed together
CONFIRM_S = 120.0
BEGIN_AGAIN = "Delete this prefix's topics, or take another FRESHET_PREFIX; `freshet topics apply`, and restore again."


def restore(settings: Settings, folder: Path, on_progress: OnProgress = lambda *_: None) -> Manifest:
    """Write every record of a backup to its topic and partition, in its order, with its key, headers and time.

    Everything is looked at first: OperatorError, and nothing is written, where a file is damaged, a topic is missing,
    has other partitions or held a record before, or an agent runs.
    """
    manifest = opened(folder)
    require_whole(folder, manifest)
    _require_no_agent(settings)
    _require_new_topics(settings, manifest)
    with command_publisher(settings, limit_s=CONFIRM_S, remedy=BEGIN_AGAIN) as publisher:
        for part in manifest.topics:
            _write(publisher, settings.prefix + part.topic, records_of(folder, part), part, on_progress)
    return manifest


def _require_no_agent(settings: Settings) -> None:
    with topic_admin.connected(settings) as admin:
        running = [agent for agent in Agent if topic_admin.has_members(admin, settings.prefix + agent)]
    if running:
        cause = f"Agents run under the prefix {settings.prefix}: {', '.join(running)}."
        raise OperatorError(cause, "Stop them: what they hold in memory would count, and not what is restored.")


def _require_new_topics(settings: Settings, manifest: Manifest) -> None:
    with command_reader(settings) as reader:
        for part in manifest.topics:
            topic = settings.prefix + part.topic
            reader.require_partitions(topic)
            bounds = reader.bounds(topic)
            if len(bounds) != part.partitions:
                cause = f"{topic} has {len(bounds)} partitions, and had {part.partitions} when it was backed up."
                remedy = f"Make the topics with FRESHET_PARTITIONS={part.partitions}, or use another prefix."
                raise OperatorError(cause, remedy)
            if any(end for _, end in bounds.values()):
                raise OperatorError(f"{topic} was in use: it holds, or held, records.", BEGIN_AGAIN)


def _write(
    publisher: CommandPublisher, topic: str, records: Iterable[Record], part: Part, on_progress: OnProgress
) -> None:
    expected, count = dict.fromkeys(range(part.partitions), 0), 0
    for partition, batch in _batches(records):
        outgoing = [Outgoing(one.key, one.value, one.headers) for one in batch]
        offsets = publisher.publish(topic, outgoing, partition, [one.timestamp for one in batch])
        if offsets != [*range(expected[partition], expected[partition] + len(batch))]:
            raise OperatorError(f"{topic}[{partition}]: somebody else writes to it meanwhile.", BEGIN_AGAIN)
        expected[partition] += len(batch)
        count += len(batch)
        on_progress(part.topic, count)
    if count != part.records:
        raise OperatorError(f"{topic}: {count} records were written of {part.records}.", BEGIN_AGAIN)


def _batches(records: Iterable[Record]) -> Iterator[tuple[int, list[Record]]]:
    """Records of one partition at a time, in their order, as many as are confirmed together."""
    waiting: dict[int, list[Record]] = {}
    size: dict[int, int] = {}
    for record in records:
        at = record.partition
        waiting.setdefault(at, []).append(record)
        size[at] = size.get(at, 0) + len(record.key or b"") + len(record.value or b"")
        if len(waiting[at]) >= BATCH_RECORDS or size[at] >= BATCH_BYTES:
            yield at, waiting.pop(at)
            del size[at]
    yield from waiting.items()
