"""Bad input through running agents; test_agents.py sends a thousand events without headers."""

from itertools import zip_longest
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from msgspec.structs import replace

from schemas.messages import feedback, videos
from schemas.messages.fields import DAY_MS
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEATURES, FEEDBACK, PROFILES, UPLOADS, Topic
from tests.support import hostile_records
from tests.support.events import NOON, minute, uploaded, watched
from tests.support.system import agents, everything, wait_until

pytestmark = pytest.mark.connected

Sent = tuple[str | None, bytes | None, hostile_records.Headers]


def test_the_rest_of_the_table_goes_through_running_agents(settings: Settings, tmp_path: Path) -> None:
    neighbours = [watched(f"person-{n}", "v1", minute(n), event_id=f"e-{n}") for n in range(20)]
    old = [replace(one, at_ms=one.at_ms - 30 * DAY_MS, event_id=None) for one in neighbours[:5]]
    sound = [uploaded(f"video-{n}", title=f"The harbour at {n}") for n in range(len(hostile_records.UPLOADS))]
    bad = [(one.key, one.value, one.headers) for one in hostile_records.WITH_HEADERS if one.name != "sent on already"]
    with agents(settings, tmp_path, "profiles", "encoder") as running:
        good = [(one.user_id, feedback.encode(one), ()) for one in neighbours]
        _send(settings, FEEDBACK, [*_mixed(good, bad), *((e.user_id, feedback.encode(e), ()) for e in old)])
        uploads = [(one.video_id, videos.encode(one), ()) for one in sound]
        _send(
            settings,
            UPLOADS,
            _mixed(uploads, [(one.key, one.value, one.headers) for one in hostile_records.UPLOADS]),
        )
        expected = len(bad) + len(old) + len(hostile_records.UPLOADS)
        wait_until("every letter is there", lambda: len(everything(settings, DEAD_LETTERS)) >= expected)
        wait_until("every neighbour is taken in", lambda: len(_keys(settings, PROFILES)) == len(neighbours))
        wait_until("every neighbour is encoded", lambda: len(_keys(settings, FEATURES)) == len(sound))
        wait_until("the offsets have moved on", lambda: _left(settings) == 0)
        assert running.alive()
    reasons = sorted(dict(letter.headers)["reason"].decode() for letter in everything(settings, DEAD_LETTERS))
    wanted = [
        one.reason for one in [*hostile_records.WITH_HEADERS, *hostile_records.UPLOADS] if one.name != "sent on already"
    ]
    assert reasons == sorted([*wanted, *["late"] * len(old)])


def _mixed(some: list[Sent], others: list[Sent]) -> list[Sent]:
    return [one for pair in zip_longest(some, others) for one in pair if one is not None]


def _send(settings: Settings, topic: Topic, records: list[Sent]) -> None:
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap, max_request_size=16 * 1024 * 1024)
    for key, value, headers in records:
        name = topic.full(settings.prefix)
        producer.send(name, key=key and key.encode(), value=value, headers=list(headers), timestamp_ms=NOON)
    producer.flush()
    producer.close()


def _keys(settings: Settings, topic: Topic) -> set[bytes]:
    return {one.key for one in everything(settings, topic)}


def _left(settings: Settings) -> int:
    """How many records of both topics are not acknowledged yet."""
    left = 0
    for agent, topic in (("profiles", FEEDBACK), ("encoder", UPLOADS)):
        consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, group_id=f"{settings.prefix}{agent}")
        places = [TopicPartition(topic.full(settings.prefix), p) for p in range(settings.partitions)]
        ends = consumer.end_offsets(places)
        left += sum(ends[place] - (consumer.committed(place) or 0) for place in places)
        consumer.close()
    return left
