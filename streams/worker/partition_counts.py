"""Topics that got another number of partitions while a worker runs: keys would be looked for in the wrong place."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from schemas.settings.model import Settings
from schemas.topics import TOPICS

if TYPE_CHECKING:  # `freshet health` need not wait for a Kafka client
    from streams.kafka.topic_watch import TopicIdentity


def differing(found: Mapping[str, "TopicIdentity"], settings: Settings) -> list[str]:
    """What `freshet topics check` says of them, a sentence each; empty where all have as many as is set."""
    by_name = {topic.full(settings.prefix): topic for topic in TOPICS}
    if all(one.partitions == by_name[name].partition_count(settings.partitions) for name, one in found.items()):
        return []
    from streams.kafka.topic_admin import TopicState, compare  # kafka-python: for this sentence alone

    return [
        str(difference)
        for name, one in sorted(found.items())
        for difference in compare(
            by_name[name], TopicState(one.partitions, settings.replication, by_name[name].config()), settings
        )
    ]
