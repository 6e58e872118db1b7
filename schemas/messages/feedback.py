"""Feedback: what people do, one JSON object a record on feedback.v1 (keyed by user_id)."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, final

import msgspec
from msgspec import Meta

from schemas.messages.fields import AtMs, EventId, Id, Share, SpanMs, UserId, VideoId, Word

Rank = Annotated[int, Meta(ge=1, le=10_000)]
Context = Annotated[Word | None, Meta(description="context; kept with the event, no slate depends on it")]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    """Who, and when it happened; the rest is optional context."""

    user_id: UserId
    at_ms: AtMs
    event_id: Annotated[EventId | None, Meta(description="the publisher's own id, by which a repeat is known")] = None
    recommendation_id: Annotated[Id | None, Meta(description="the slate on which the person met the video")] = None
    rank: Annotated[Rank | None, Meta(description="the video's place on that slate, from 1")] = None
    session_id: Context = None
    surface: Annotated[
        Word | None,
        Meta(description="where the person met the video; outcomes are learned by it, and a slate is for the last one"),
    ] = None
    country: Context = None
    utc_offset_min: Annotated[
        Annotated[int, Meta(ge=-900, le=900)] | None,
        Meta(description="minutes by which the person's clock is ahead of UTC; context"),
    ] = None
    domain: Context = "video"  # like every optional field, null says nothing
    duration_ms: Annotated[SpanMs | None, Meta(description="length of the video, ms")] = None


class VideoEvent(Event, frozen=True, kw_only=True):
    """An event about one video."""

    video_id: VideoId


@final
class Watch(VideoEvent, frozen=True, kw_only=True, tag="watch"):
    """Somebody watched; `watched_ms` may exceed the video's length on a rewatch."""

    watched_ms: Annotated[
        SpanMs, Meta(description="how long was watched, ms; more than the video's length on a rewatch")
    ]


@final
class Skip(VideoEvent, frozen=True, kw_only=True, tag="skip"):
    """Somebody swiped the video away."""

    watched_ms: Annotated[SpanMs | None, Meta(description="how long was watched before, ms; not used")] = None


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

    value: Annotated[Share, Meta(description="0 worst, 1 best")]


@final
class Hide(VideoEvent, frozen=True, kw_only=True, tag="hide"):
    """Somebody wants less of this video, its creator or its tags."""

    scope: Annotated[
        Literal["video", "creator", "tag"] | None,
        Meta(description="what to see less of: the video, all of its creator, or all with one of its tags"),
    ] = "video"


@final
class Impression(VideoEvent, frozen=True, kw_only=True, tag="impression"):
    """A video of a slate came on the screen."""

    recommendation_id: Annotated[Id, Meta(description="the slate that was shown")]
    ranks: Annotated[list[Rank] | None, Meta(description="every place of the slate that came on the screen")] = None


@final
class Search(Event, frozen=True, kw_only=True, tag="search"):
    """Somebody searched; names no video."""

    video_id: ClassVar[str] = ""  # so that callers may read an event's video without checking its kind
    query: Annotated[str, Meta(min_length=1, max_length=1000, description="what was searched for")]


Feedback = Watch | Like | Skip | Impression | Shared | Comment | Save | Follow | Rate | Hide | Search
KIND_OF = {kind: str(kind.__struct_config__.tag) for kind in Feedback.__args__}

decode: Callable[[bytes], Feedback] = msgspec.json.Decoder(Feedback).decode
encode = msgspec.json.Encoder().encode
