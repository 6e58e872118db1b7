"""What the learner publishes, as records of weights.v1."""

from ranker.learning.publication import Change
from ranker.learning.publication import Record as Published
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.sends import Send, Stage


def sends(topic: str, change: Change) -> tuple[Stage, ...]:
    """A change as records: the manifest is sent when the broker has all of its blocks."""
    return tuple([Send(topic, 0, [*map(_outgoing, part)])] for part in (change.blocks, [change.manifest]))


def _outgoing(record: Published) -> Outgoing:
    key, value = record
    return Outgoing(key.encode(), value)
