"""Videos: uploads.v1 (what creators send) and features.v1 (what the encoders made of it), keyed by video_id."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.messages.fields import AtMs, Id, Share, SpanMs, Text, VideoId, Word

RETRIEVAL = "retrieval"  # name of the vector that the index compares by


class Upload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="upload"):
    """A new or changed video; at least one of title, description, tags, media_uri, thumbnail_uri is there."""

    video_id: VideoId
    at_ms: AtMs
    creator_id: Annotated[Id | None, Meta(description="who made it: for follows, the limit per creator, hides")] = None
    title: Annotated[Text | None, Meta(description="embedded")] = None
    description: Annotated[Text | None, Meta(description="embedded")] = None
    tags: Annotated[
        Annotated[list[Word], Meta(max_length=100)] | None, Meta(description="embedded; also for hides of scope tag")
    ] = None
    category: Annotated[Word | None, Meta(description="embedded; also a filter of search")] = None
    language: Annotated[
        Word | None, Meta(description="ISO 639-1 code, a filter of search; detected where it is missing")
    ] = None
    duration_ms: Annotated[SpanMs | None, Meta(description="length, ms; read from the media where it is missing")] = (
        None
    )
    media_uri: Annotated[Text | None, Meta(description="address of the video or sound file; fetched if allowed")] = None
    thumbnail_uri: Annotated[
        Text | None, Meta(description="address of a picture, for a video without pictures of its own")
    ] = None
    music_id: Annotated[Id | None, Meta(description="the music used; how people take to it is learned")] = None


class Withdraw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="withdraw"):
    """A video that may not be shown again unless it is uploaded again."""

    video_id: VideoId
    at_ms: AtMs
    reason: Annotated[Text | None, Meta(description="why, in your words")] = ""


# Of an upload or a withdrawal: partition, offset, written_ms (the broker's time), and at_ms as sent, where it differs.
Source = dict[str, int]


class Vector(msgspec.Struct, frozen=True):
    """A float32 vector as base64 of its little-endian bytes."""

    dim: int
    encoder: str  # name@version
    data: bytes  # msgspec writes bytes as base64


class Encoded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="encoded"):
    """What the encoders made of one upload; `at_ms` is the upload's, or 1 ms above that of the record it replaces."""

    video_id: VideoId
    at_ms: AtMs
    creator_id: Id | None = None
    title: Text | None = None
    description: Text | None = None
    tags: list[Word] = []
    found_tags: Annotated[int, Meta(ge=0)] = 0  # how many of the tags, the last ones, the encoders found
    category: Word | None = None
    language: Word | None = None
    duration_ms: SpanMs | None = None
    music_id: Id | None = None
    media_uri: Text | None = None  # as uploaded, as are the next and the description: what shows a video needs them
    thumbnail_uri: Text | None = None
    # "text", "image", "audio" as present, "image_text" and "audio_text" beside the last two: what is seen and heard, in
    # the text's space; "retrieval" always, unless all are missing
    vectors: dict[str, Vector] = {}
    labels: dict[str, Share] = {}
    expires: dict[str, AtMs] = {}  # label → event time from which on it no longer counts; a label without one: never
    source: Source = {}


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="withdrawn"):
    """A withdrawal, kept so that an older upload that arrives later does not bring the video back."""

    video_id: VideoId
    at_ms: AtMs
    reason: Text | None = ""
    source: Source = {}


Uploads = Upload | Withdraw
CatalogueRecord = Encoded | Withdrawn
KINDS = frozenset(("upload", "withdraw"))

decode: Callable[[bytes], Uploads] = msgspec.json.Decoder(Uploads).decode
decode_features: Callable[[bytes], CatalogueRecord] = msgspec.json.Decoder(CatalogueRecord).decode
encode = msgspec.json.Encoder().encode


class Stored(msgspec.Struct, frozen=True):
    """Of a record of features.v1 what says how new it is."""

    at_ms: int
    kind: str = ""
    source: Source = {}


decode_stored = msgspec.json.Decoder(Stored).decode


def decode_time(data: bytes) -> int:
    """Event time of a record of features.v1, without reading its vectors.

    >>> decode_time(encode(Withdrawn(video_id="v7", at_ms=1650000000000)))
    1650000000000
    """
    return decode_stored(data).at_ms


def without_blank_tags(video: Upload) -> Upload:
    """The upload without tags that say nothing: to hide one of them would hide every video that has it.

    >>> without_blank_tags(Upload(video_id="v7", at_ms=1650000000000, tags=["", "food", " "])).tags
    ['food']
    """
    if video.tags is None or all(map(str.strip, video.tags)):
        return video
    return msgspec.structs.replace(video, tags=[tag for tag in video.tags if tag.strip()])


def why_not_an_upload(video: Upload) -> str | None:
    """Say in a sentence what an upload lacks, or None."""
    if any((video.title, video.description, video.tags, video.media_uri, video.thumbnail_uri)):
        return None
    return "$ needs at least one of title, description, tags, media_uri, thumbnail_uri"
