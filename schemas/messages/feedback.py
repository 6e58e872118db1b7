"""Feedback: what people do, one JSON object a record on feedback.v1 (keyed by user_id)."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, final

import msgspec
from msgspec import Meta

from schemas.messages.fields import AtMs, EventId, Id, Share, SpanMs, UserId, VideoId, Word

Rank = Annotated[int, Meta(ge=1, le=10_000)]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    """Who, and when it happened; the rest is optional context."""

    user_id: UserId
    at_ms: AtMs
    event_id: EventId | None = None  # makes a repeat harmless; without it topic, partition and offset do
    recommendation_id: Id | None = None
    rank: Rank | None = None
    session_id: Word | None = None
    surface: Word | None = None
    country: Word | None = None
    utc_offset_min: Annotated[int, Meta(ge=-900, le=900)] | None = None
    domain: Word | None = "video"  # like every optional field, null says nothing
    duration_ms: SpanMs | None = None


class VideoEvent(Event, frozen=True, kw_only=True):
    """An event about one video."""

    video_id: VideoId


@final
class Watch(VideoEvent, frozen=True, kw_only=True, tag="watch"):
    """Somebody watched; `watched_ms` may exceed the video's length on a rewatch."""

    watched_ms: SpanMs


@final
class Skip(VideoEvent, frozen=True, kw_only=True, tag="skip"):
    """Somebody swiped the video away."""

    watched_ms: SpanMs | None = None


@final
class Like(VideoEvent, frozen=True, kw_only=True, tag="like"):
    """Somebody liked the video."""


@final
class Shared(VideoEvent, frozen=True, kw_only=True, tag="share"):
    """Somebody shared the video."""


@final
class Comment(VideoEvent, frozen=True, kw_only=True, tag="comment"):
    """Somebody commented on the video."""


@final
class Save(VideoEvent, frozen=True, kw_only=True, tag="save"):
    """Somebody saved the video for later."""


@final
class Follow(VideoEvent, frozen=True, kw_only=True, tag="follow"):
    """Somebody followed the creator of this video."""


@final
class Rate(VideoEvent, frozen=True, kw_only=True, tag="rate"):
    """Somebody rated the video, 0 worst to 1 best."""

    value: Share


@final
class Hide(VideoEvent, frozen=True, kw_only=True, tag="hide"):
    """Somebody wants less of this video, its creator or its tags."""

    scope: Literal["video", "creator", "tag"] | None = "video"


@final
class Impression(VideoEvent, frozen=True, kw_only=True, tag="impression"):
    """A video of a slate came on the screen."""

    recommendation_id: Id
    ranks: list[Rank] | None = None


@final
class Search(Event, frozen=True, kw_only=True, tag="search"):
    """Somebody searched; names no video."""

    video_id: ClassVar[str] = ""  # so that callers may read an event's video without checking its kind
    query: Annotated[str, Meta(min_length=1, max_length=1000)]


Feedback = Watch | Like | Skip | Impression | Shared | Comment | Save | Follow | Rate | Hide | Search
KINDS = frozenset(
    ("watch", "like", "skip", "impression", "share", "comment", "save", "follow", "rate", "hide", "search")
)

decode: Callable[[bytes], Feedback] = msgspec.json.Decoder(Feedback).decode
encode = msgspec.json.Encoder().encode
