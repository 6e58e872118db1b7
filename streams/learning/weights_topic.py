"""What the learner publishes, as records of weights.v1."""

from collections.abc import Iterable

from ranker.learning.publication import Change
from ranker.learning.publication import Record as Published
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Send, Stage
from streams.ranking.published_parameters import TAKEOVER, WRITER


def sends(topic: str, change: Change, writer: bytes) -> tuple[Stage, ...]:
    """A change as records of a worker: the manifest is sent when the broker has all of its blocks."""
    parts = change.blocks, [change.manifest]
    return tuple([Send(topic, 0, [_outgoing(one, writer) for one in part])] for part in parts)


def takeover(topic: str, writer: bytes) -> Stage:
    """The record from which on only what this worker writes counts."""
    return [Send(topic, 0, [Outgoing(TAKEOVER.encode(), writer)])]


def is_overtaken(records: Iterable[Record], writer: bytes) -> bool:
    """Whether another worker than this took over in these records."""
    return any(record.key == TAKEOVER.encode() and record.value != writer for record in records)


def _outgoing(record: Published, writer: bytes) -> Outgoing:
    key, value = record
    return Outgoing(key.encode(), value, [(WRITER, writer)])
