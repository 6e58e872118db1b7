"""Which partitions of its topics a consumer group leaves without a worker, asked by a client of its own."""

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from streams.kafka.lost_broker import PROBE_TIMEOUT_S, fresh_client
from streams.kafka.records import Place


def unowned(options: Mapping[str, Any], group: str, topics: Iterable[str]) -> set[Place]:
    """Partitions that no member of a stable group has; an empty set where the broker does not say."""
    client = fresh_client(options)
    try:
        (described,) = client.describe_consumer_groups([group], request_timeout=PROBE_TIMEOUT_S).values()
        found = described.result()
        there = {place for topic in topics for place in _partitions(client, topic)}
    except KafkaException:
        return set()
    if found.state != ConsumerGroupState.STABLE:
        return set()
    members = (member.assignment for member in found.members if member.assignment)
    return there - {(place.topic, place.partition) for one in members for place in one.topic_partitions}


def _partitions(client: AdminClient, topic: str) -> list[Place]:
    found = client.list_topics(topic, timeout=PROBE_TIMEOUT_S).topics[topic]
    return [] if found.error else [(topic, partition) for partition in found.partitions]
