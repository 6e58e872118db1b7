"""A slate as it goes out on recommendations.v1."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ranker.pipeline.pipeline import Pipeline
from ranker.pipeline.types import Slate
from ranker.profile.model import Profile
from schemas.messages import recommendations
from schemas.messages.recommendations import (
    SLATE_LIFE_MS,
    SOURCE_OFFSET,
    SOURCE_TOPIC_ID,
    Recommendation,
    Trigger,
    recommendation_id,
)
from streams.kafka.records import Headers, Record

SCHEMA_VERSION = "1.0"


class Times(NamedTuple):
    """Clock readings of one slate, in ms: when it was made, how long its profile had waited, when that was written."""

    now_ms: int
    queued_ms: float
    profile_ms: int = 0


def source_headers(record: Record, topic_id: str = "") -> Headers:
    """What a slate carries: the offset of the profile that it answers, and the id of its topic where it is known."""
    offset = SOURCE_OFFSET, str(record.offset).encode()
    return [offset, (SOURCE_TOPIC_ID, topic_id.encode())] if topic_id else [offset]


def source_offset_of(slate: Record, topic_id: str = "") -> int:
    """Offset of the profile that a slate answers; -1 where no ranking agent wrote it, or it answers another topic."""
    headers = dict(slate.headers)
    value, source = headers.get(SOURCE_OFFSET) or b"", headers.get(SOURCE_TOPIC_ID) or b""
    is_other = source and topic_id and source != topic_id.encode()
    return int(value) if value.isdigit() and not is_other else -1


def models_of(pipeline: Pipeline, encoder: str) -> dict[str, str]:
    """The versions of what makes a slate, as it says them; of a scorer that learns, each slate names its own."""
    return {"ranker": pipeline.scorer.name, "encoder": encoder, "policy": pipeline.policy}


def recommendation(slate: Slate, profile: Profile, models: Mapping[str, str], times: Times) -> Recommendation:
    """The message for a slate; its profile says what triggered it."""
    origin = profile.origin
    if origin is None:
        raise ValueError(
            f"profile of {slate.user_id} at version {slate.version} has taken in no event: nothing triggered this slate"
        )
    return Recommendation(
        schema_version=SCHEMA_VERSION,
        recommendation_id=recommendation_id(slate.user_id, slate.version),
        user_id=slate.user_id,
        version=slate.version,
        generated_at_ms=times.now_ms,
        expires_at_ms=max(origin.at_ms, times.profile_ms) + SLATE_LIFE_MS,  # an event may come long after its time
        trigger=Trigger(origin.event_id, origin.topic, origin.partition, origin.offset, origin.at_ms),
        models={**models, "ranker": slate.ranker} if slate.ranker else dict(models),
        timings_ms={
            "queued": round(times.queued_ms, 3),
            **slate.timings_ms,
            "total": round(times.queued_ms + sum(slate.timings_ms.values()), 3),
        },
        degraded=list(slate.degraded),
        items=slate.items,
        exhausted=slate.exhausted,
    )


def placeless(message: Recommendation) -> Any:
    """What of a slate is the same wherever and whenever it is computed: the part that the slate digest covers."""
    fields: dict[str, Any] = recommendations.to_builtins(message)
    for name in ("generated_at_ms", "expires_at_ms", "timings_ms"):
        del fields[name]
    del fields["trigger"]["partition"], fields["trigger"]["offset"]
    return fields
