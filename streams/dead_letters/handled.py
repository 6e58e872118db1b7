"""Which dead letters were dealt with: a mark for each on a topic of its own, so that lists and counts leave it out."""

import logging
from collections.abc import Iterable, Iterator

import msgspec

from schemas.messages.dead_letters import Handled, decode_handled, encode_handled
from schemas.topics import HANDLED
from streams.kafka.command_reader import CommandReader
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record

log = logging.getLogger("freshet.dead_letters")

Place = tuple[int, int, int]  # of a dead letter: partition, offset, and the time at which it was written there


def handled_places(reader: CommandReader, prefix: str) -> frozenset[Place]:
    """The dead letters that were dealt with; none where an installation has no such topic yet."""
    topic = HANDLED.full(prefix)
    if not reader.partitions(topic):
        return frozenset()
    return frozenset(map(place_of, marks_in(reader.records(topic))))


def marks_in(records: Iterable[Record]) -> Iterator[Handled]:
    """The marks among records; what is none is passed over with a warning."""
    for record in records:
        try:
            yield decode_handled(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("%s[%d]@%d is no mark: %s", record.topic, record.partition, record.offset, error)


def place_of(mark: Handled) -> Place:
    """Where the dead letter of a mark lies."""
    return mark.partition, mark.offset, mark.written_ms


def to_outgoing(mark: Handled) -> Outgoing:
    """A mark as a record."""
    return Outgoing(mark.key.encode(), encode_handled(mark))
