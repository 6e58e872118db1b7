"""A topic read to its end by a command: kafka-python, record by record. Agents read with streams/kafka/client.py."""

from collections.abc import Iterator, Mapping
from typing import Any

from kafka import TopicPartition

from streams.errors import OperatorError

POLL_MS = 1000
SILENT_POLLS = 30  # so many empty answers in a row mean that the broker does not deliver

NOWHERE: Mapping[TopicPartition, int] = {}


def records(consumer: Any, topic: str, starts: Mapping[TopicPartition, int] = NOWHERE) -> Iterator[Any]:
    """Every record of a topic up to its present end, in offset order per partition, from `starts` where given."""
    places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    if not places:
        return
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    for place, offset in starts.items():
        consumer.seek(place, max(offset, consumer.position(place)))
    ends = consumer.end_offsets(places)
    silent = 0
    while any(consumer.position(place) < ends[place] for place in places):
        polled = consumer.poll(timeout_ms=POLL_MS)
        silent = 0 if polled else silent + 1
        if silent > SILENT_POLLS:
            raise OperatorError(f"{topic}: the broker delivers nothing more, short of the end.", "Try again.")
        for place, batch in polled.items():
            yield from (record for record in batch if record.offset < ends[place])
