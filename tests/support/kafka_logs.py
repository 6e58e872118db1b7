"""Makers for logs: what stands on the topics, as a consumer hands it out."""

from collections.abc import Iterable
from typing import Any

from kafka import KafkaProducer

from ranker.profile.codec import pack
from ranker.profile.model import Profile
from schemas import topics
from schemas.messages import feedback, recommendations, videos
from schemas.messages.dead_letters import DeadLetter, Reason, letter_headers
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import (
    SLATE_LIFE_MS,
    SOURCE_OFFSET,
    Item,
    Recommendation,
    Trigger,
    recommendation_id,
)
from schemas.messages.trends import Trends
from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.kafka.records import Record as Rec
from streams.kafka.records import partition_of
from streams.kafka.security import kafka_python_options
from streams.operations.contract.facts import Breach, Facts
from streams.operations.contract.rules import RULES, check
from tests.support import events
from tests.support.events import NOON, minute

Log = dict[Topic, list[Rec]]
PARTITIONS, PREFIX = 4, "freshet."
SEVERAL = dict.fromkeys(RULES, PARTITIONS)


def home(key: str) -> int:
    return partition_of(key.encode(), PARTITIONS)


def put(log: Log, topic: Topic, key: str, value: bytes | None, at_ms: int = NOON, **changed: Any) -> Rec:
    """Append a record to a log where it belongs, unless said otherwise."""
    partition, prefix = changed.pop("partition", home(key)), changed.pop("prefix", PREFIX)
    records = log.setdefault(topic, [])
    offset = sum(record.partition == partition for record in records)
    records.append(Rec(topic.full(prefix), partition, offset, at_ms, key.encode(), value)._replace(**changed))
    return records[-1]


def slate_for(log: Log, user_id: str, version: int, trigger: Rec, video_ids: Iterable[str]) -> Recommendation:
    event = feedback.decode(trigger.value or b"")
    items = [
        Item(rank, video_id, 1 / rank, {"finish": 0.5, "like": 0.1, "skip": 0.2}, 1.0, ["fresh"], [])
        for rank, video_id in enumerate(video_ids, 1)
    ]
    return Recommendation(
        schema_version="1.0",
        recommendation_id=recommendation_id(user_id, version),
        user_id=user_id,
        version=version,
        generated_at_ms=trigger.timestamp + 9,
        expires_at_ms=event.at_ms + SLATE_LIFE_MS,
        trigger=Trigger(event.event_id, trigger.topic, trigger.partition, trigger.offset, event.at_ms),
        models={},
        timings_ms={"total": 9.0},
        degraded=[],
        items=items,
        exhausted=False,
    )


def put_slate(log: Log, slate: Recommendation, at_ms: int = NOON + 10, **changed: Any) -> Rec:
    changed = {"headers": [(SOURCE_OFFSET, b"0")]} | changed
    return put(log, topics.RECOMMENDATIONS, slate.user_id, recommendations.encode(slate), at_ms, **changed)


def put_event(log: Log, event: feedback.Feedback, **changed: Any) -> Rec:
    return put(log, topics.FEEDBACK, event.user_id, feedback.encode(event), event.at_ms, **changed)


def put_letter(log: Log, record: Rec, **changed: Any) -> Rec:
    letter = DeadLetter(
        reason=Reason.SCHEMA,
        detail="because",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        key=record.key,
        value=record.value or b"",
    )
    changed = {"headers": letter_headers(letter, "0.1.0")} | changed
    return put(log, topics.DEAD_LETTERS, "any", letter.value, **changed)


def good_log(prefix: str = PREFIX) -> Log:
    """Ana and Ben watch, six videos are there, each event has its slate."""
    log: Log = {}
    there: dict[str, Any] = {"prefix": prefix}
    for number in range(6):
        upload = events.uploaded(f"v{number}")
        put(log, topics.UPLOADS, upload.video_id, videos.encode(upload), **there)
        put(log, topics.FEATURES, upload.video_id, videos.encode(events.encoded(upload.video_id)), **there)
    people: dict[str, Profile] = {}
    for user_id in ("ana", "ben"):
        first = put_event(log, events.watched(user_id, "v0", minute(1), event_id=f"{user_id}-1"), **there)
        put_slate(log, slate_for(log, user_id, 1, first, ["v1", "v2", "v3"]), minute(1) + 10, **there)
        second = put_event(log, events.skipped(user_id, "v1", minute(2)), **there)
        put_slate(log, slate_for(log, user_id, 2, second, ["v4", "v3"]), minute(2) + 10, **there)
        people[user_id] = events.after(events.watched(user_id, "v0"), events.skipped(user_id, "v1"))
    for user_id, profile in people.items():
        put(log, topics.PROFILES, user_id, pack(profile), **there)
    counts = Trends(partition=home("ana"), tick=1, period=1, counts={"v0": (256, 0, 1)})
    put(log, topics.TRENDS, str(counts.partition), recommendations.encode(counts), **there)
    put(log, topics.ERASURES, "eve", b'{"user_id":"eve","at_ms":%d}' % NOON, **there)
    return log


def facts_of(**changed: Any) -> Facts:
    return Facts(Settings(**{"late_ms": DAY_MS} | changed), SEVERAL)


def breaches(log: Log, facts: Facts | None = None, **changed: Any) -> list[Breach]:
    facts = facts or facts_of(**changed)
    return [one for topic in RULES for one in check(topic, log.get(topic, []), facts)]


def said(log: Log, facts: Facts | None = None, **changed: Any) -> list[str]:
    return [one.what for one in breaches(log, facts, **changed)]


def send(settings: Settings, log: Log) -> None:
    """Put a log's records on a broker as they stand."""
    producer = KafkaProducer(**kafka_python_options(settings))
    for topic, records in log.items():
        for one in records:
            producer.send(
                topic.full(settings.prefix),
                one.value,
                one.key,
                headers=list(one.headers),
                partition=one.partition,
                timestamp_ms=one.timestamp,
            )
    producer.flush()
    producer.close()
