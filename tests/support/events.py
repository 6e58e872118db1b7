"""Makers for tests that read as stories: events, profiles, videos. All is at NOON unless a time is given."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zlib import crc32

import numpy as np

from encoders.fusion.fusion import VERSION
from ranker.profile.codec import unpack
from ranker.profile.event_ids import EventIds
from ranker.profile.fold import NO_EVENT_IDS, Arrival, FoldedBatch, fold_batch
from ranker.profile.model import EMPTY, Profile
from schemas.messages.feedback import (
    Comment,
    Feedback,
    Follow,
    Hide,
    Impression,
    Like,
    Rate,
    Save,
    Search,
    Shared,
    Skip,
    Watch,
)
from schemas.messages.feedback import decode as decode_event
from schemas.messages.fields import DAY_MS
from schemas.messages.videos import Encoded, Upload, Vector, Withdraw, Withdrawn

NOON = 1_650_000_000_000  # 2022-04-15T05:20Z: noon somewhere
DIM = 256  # of the retrieval vector
FEEDBACK = "freshet.feedback.v1"


def minute(count: float) -> int:
    """Event time so many minutes after NOON."""
    return NOON + round(count * 60_000)


def watched(
    user_id: str,
    video_id: str,
    at_ms: int = NOON,
    *,
    watched_ms: int = 20_000,
    duration_ms: int | None = 20_000,
    **more: Any,
) -> Watch:
    return Watch(
        user_id=user_id,
        video_id=video_id,
        at_ms=at_ms,
        watched_ms=watched_ms,
        duration_ms=duration_ms,
        **more,
    )


def skipped(user_id: str, video_id: str, at_ms: int = NOON, **more: Any) -> Skip:
    return Skip(user_id=user_id, video_id=video_id, at_ms=at_ms, **more)


def liked(user_id: str, video_id: str, at_ms: int = NOON, **more: Any) -> Like:
    return Like(user_id=user_id, video_id=video_id, at_ms=at_ms, **more)


def shared(user_id: str, video_id: str, at_ms: int = NOON, **more: Any) -> Shared:
    return Shared(user_id=user_id, video_id=video_id, at_ms=at_ms, **more)


def commented(user_id: str, video_id: str, at_ms: int = NOON, **more: Any) -> Comment:
    return Comment(user_id=user_id, video_id=video_id, at_ms=at_ms, **more)


def saved(user_id: str, video_id: str, at_ms: int = NOON, **more: Any) -> Save:
    return Save(user_id=user_id, video_id=video_id, at_ms=at_ms, **more)


def followed(user_id: str, video_id: str, at_ms: int = NOON, **more: Any) -> Follow:
    return Follow(user_id=user_id, video_id=video_id, at_ms=at_ms, **more)


def rated(user_id: str, video_id: str, at_ms: int = NOON, *, value: float, **more: Any) -> Rate:
    return Rate(user_id=user_id, video_id=video_id, at_ms=at_ms, value=value, **more)


def hid(
    user_id: str,
    video_id: str,
    at_ms: int = NOON,
    *,
    scope: Literal["video", "creator", "tag"] = "video",
    **more: Any,
) -> Hide:
    return Hide(user_id=user_id, video_id=video_id, at_ms=at_ms, scope=scope, **more)


def shown(user_id: str, video_id: str, at_ms: int = NOON, *, slate: str = "slate-1", **more: Any) -> Impression:
    return Impression(user_id=user_id, video_id=video_id, at_ms=at_ms, recommendation_id=slate, **more)


def searched(user_id: str, query: str, at_ms: int = NOON, **more: Any) -> Search:
    return Search(user_id=user_id, query=query, at_ms=at_ms, **more)


def arrivals(events: Iterable[Feedback], *, topic: str = FEEDBACK, partition: int = 0, first: int = 0) -> list[Arrival]:
    """Events as they were read from one partition, at offsets from `first` on."""
    return [Arrival(event, topic, partition, first + place) for place, event in enumerate(events)]


class Folded(NamedTuple):
    """A folded batch with its profiles opened; `applied` is what changed one, in the order of the batch."""

    changed: dict[str, Profile]
    applied: list[Arrival]
    late: list[Arrival]
    repeats: int
    batch: FoldedBatch


def fold_all(
    users: Mapping[str, Profile],
    batch: Sequence[Arrival],
    late_ms: int,
    event_ids: Mapping[str, EventIds] = NO_EVENT_IDS,
    base: int = 0,
    for_learning: bool = False,
) -> Folded:
    """What a batch makes of these profiles."""
    found = fold_batch(users, batch, late_ms, event_ids=event_ids, base=base, for_learning=for_learning)
    refused = [id(one) for one in (*found.late, *found.repeats)]
    applied = [one for one in batch if id(one) not in refused]
    changed = {user_id: unpack(data) for user_id, data in found.changed.items()}
    return Folded(changed, applied, found.late, len(found.repeats), found)


def folded(*events: Feedback, users: dict[str, Profile] | None = None, late_ms: int = DAY_MS) -> Folded:
    """What taking in these events did, offsets from 0 on."""
    return fold_all(users or {}, arrivals(events), late_ms)


def after(*events: Feedback, state: Profile = EMPTY) -> Profile:
    """The one person's profile after these events; each of them has to be taken in."""
    people = {event.user_id for event in events}
    assert len(people) <= 1, f"one story, one person, not {sorted(people)}"
    first = 1 + max(state.applied.values(), default=-1)
    users = dict.fromkeys(people, state)
    result = fold_all(users, arrivals(events, first=first), late_ms=DAY_MS)
    assert len(result.applied) == len(events), f"refused: {result.late}, {result.repeats} repeats"
    return next(iter(result.changed.values()), state)


def unit(vector: Sequence[float]) -> np.ndarray:
    """Float32 [256] of length 1: these numbers first, zeros after them."""
    full = np.zeros(DIM, dtype=np.float32)
    full[: len(vector)] = vector
    return full / np.float32(np.linalg.norm(full))


def some_vector(video_id: str) -> np.ndarray:
    """A direction of its own for each id, float32 [256] of length 1."""
    return unit(np.random.default_rng(crc32(video_id.encode())).standard_normal(DIM).tolist())


def packed_vector(vector: Sequence[float] | np.ndarray) -> Vector:
    """A vector as features.v1 carries it, length 1 and 256 numbers."""
    return Vector(dim=DIM, encoder=VERSION, data=unit(list(vector)).astype("<f4").tobytes())


def uploaded(video_id: str, at_ms: int = NOON, **more: Any) -> Upload:
    return Upload(video_id=video_id, at_ms=at_ms, **{"title": video_id, "creator_id": f"by-{video_id}", **more})


def withdrew(video_id: str, at_ms: int = NOON, reason: str = "") -> Withdraw:
    return Withdraw(video_id=video_id, at_ms=at_ms, reason=reason)


def encoded(
    video_id: str, at_ms: int = NOON, *, vector: Sequence[float] | np.ndarray | None = None, **more: Any
) -> Encoded:
    """An encoded video; its retrieval vector points where `vector` does, or in a direction of its own."""
    direction = some_vector(video_id) if vector is None else vector
    fields = {"title": video_id, "creator_id": f"by-{video_id}", "duration_ms": 20_000, **more}
    return Encoded(video_id=video_id, at_ms=at_ms, vectors={"retrieval": packed_vector(direction)}, **fields)


def withdrawn(video_id: str, at_ms: int = NOON, reason: str = "") -> Withdrawn:
    return Withdrawn(video_id=video_id, at_ms=at_ms, reason=reason)


def events_of(log: Path) -> Iterator[Feedback]:
    """The feedback of a JSONL log, in the order of its lines."""
    with log.open("rb") as lines:
        for line in lines:
            if not line.startswith(b'{"kind":"upload"'):
                yield decode_event(line)


ONE_OF_EACH = (
    watched("ana", "v1"),
    skipped("ana", "v2"),
    liked("ana", "v3"),
    shared("ana", "v4"),
    commented("ana", "v5"),
    saved("ana", "v6"),
    followed("ana", "v7"),
    rated("ana", "v8", value=1.0),
    hid("ana", "v9", scope="tag"),
    shown("ana", "v10"),
    searched("ana", "cats"),
)
