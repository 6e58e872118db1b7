"""Makers of dead letters, as they are published and as their topic holds them."""

from typing import Any

from kafka import KafkaProducer

from schemas.messages.dead_letters import DeadLetter, Reason
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEEDBACK
from streams.dead_letters.publisher import to_record
from streams.dead_letters.store import StoredDeadLetter
from tests.support.events import NOON
from tests.support.system import LIMIT_S

BAD = b'{"kind":"watch"'
TOPIC = "f.feedback.v1"


def dead_letter(reason: Reason = Reason.DECODE, **changes: Any) -> DeadLetter:
    fields = {"topic": TOPIC, "partition": 1, "offset": 7, "at_ms": NOON, "key": b"ana", "value": BAD}
    return DeadLetter(reason=reason, detail="because", **{**fields, **changes})


def letter(written_ms: int = NOON, **changes: Any) -> StoredDeadLetter:
    fields: dict[str, Any] = {
        "partition": 0,
        "offset": 0,
        "written_ms": written_ms,
        "reason": "decode",
        "detail": "because",
        "topic": TOPIC,
        "place": "[1]@7",
        "attempts": 1,
        "key": b"ana",
        "value": BAD,
        "kept": (),
    }
    return StoredDeadLetter(**(fields | changes))


def put(settings: Settings, *letters: DeadLetter) -> None:
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap)
    for record in map(to_record, letters):
        name = DEAD_LETTERS.full(settings.prefix)
        producer.send(name, record.value, record.key, headers=list(record.headers)).get(LIMIT_S)
    producer.close()


def ours(settings: Settings, reason: Reason = Reason.DECODE, **changes: Any) -> DeadLetter:
    return dead_letter(reason, **{"topic": FEEDBACK.full(settings.prefix), **changes})
