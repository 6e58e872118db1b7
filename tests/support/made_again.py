"""Topics that are deleted and made again, or emptied, and events without ids to see that each counts once."""

import time
from collections.abc import Iterable
from contextlib import suppress

from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from ranker.profile.codec import version_of
from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import PROFILES, TOPICS, Topic
from streams.errors import OperatorError
from streams.kafka import topic_admin
from tests.support.events import liked, minute
from tests.support.system import LIMIT_S, everything

PEOPLE = [f"person-{number}" for number in range(30)]


def likes(numbers: Iterable[int]) -> list[tuple[str | None, bytes | None]]:
    """Likes without event ids, each of another video, of thirty people in turn, as records of feedback.v1."""
    made = [liked(PEOPLE[n % 30], f"v{n}", minute(n)) for n in numbers]
    return [(one.user_id, feedback.encode(one)) for one in made]


def make_again(settings: Settings, *topics: Topic) -> None:
    """Delete topics, and make them again as they were."""
    with topic_admin.connected(settings) as admin:
        admin.delete_topics([topic.full(settings.prefix) for topic in topics])
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        with suppress(OperatorError):  # not gone yet
            topic_admin.apply(settings, TOPICS, print)
            if not topic_admin.plan(settings, TOPICS):
                return
        time.sleep(0.2)
    raise AssertionError(f"not made again within {LIMIT_S:g} s: {[topic.name for topic in topics]}")


def delete_records(settings: Settings, topic: Topic) -> None:
    """Delete all that a topic holds."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    all_of = [TopicPartition(topic.full(settings.prefix), p, OFFSET_END) for p in range(settings.partitions)]
    for done in admin.delete_records(all_of).values():
        done.result()


def folded(settings: Settings) -> int:
    """Events that the newest profiles hold, all together."""
    newest: dict[bytes, int] = {}
    for record in everything(settings, PROFILES):
        key, value = record.key or b"", record.value or b""
        newest[key] = max(version_of(value), newest.get(key, 0))
    return sum(newest.values())
