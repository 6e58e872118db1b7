"""What the API says of videos and of a person's history, as types: the OpenAPI document takes their schemas."""

from typing import Literal

import msgspec


class VideoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A video as far as it is known; of a withdrawn one that is id, time and reason.

    at_ms       of the upload or of the withdrawal, event time
    labels      shares from 0 to 1 by kind and name, as `topic:food`
    topics      of the text, the surest first
    modalities  of which there are vectors of the present models
    state       limited: shown to those who follow its creator alone
    """

    video_id: str
    state: Literal["active", "limited", "withdrawn"]
    at_ms: int
    title: str | None = None
    description: str | None = None
    language: str | None = None
    category: str | None = None
    tags: list[str] = []
    labels: dict[str, float] = {}
    topics: list[str] = []
    creator_id: str | None = None
    music_id: str | None = None
    duration_ms: int | None = None
    media_uri: str | None = None
    thumbnail_uri: str | None = None
    modalities: list[str] = []
    reason: str | None = None


class LookupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which videos are asked for; an id that nothing is known of is left out of the answer."""

    video_ids: list[str]


class VideosAnswer(msgspec.Struct, frozen=True):
    """Videos by id."""

    videos: dict[str, VideoAnswer]


class FoundVideo(msgspec.Struct, frozen=True):
    """One result; `score` is a cosine.

    by  of a search: whether the words fit the `text`, or what is seen (`image_text`) or heard (`audio_text`) in it
    """

    video_id: str
    score: float
    title: str | None
    by: str | None = None


class FoundVideos(msgspec.Struct, frozen=True):
    """Results, best first; `complete` is false while videos may be missing because other models embedded them.

    note  why nothing was looked for, where the query holds no word
    """

    items: list[FoundVideo]
    complete: bool
    note: str | msgspec.UnsetType = msgspec.UNSET


class TrendingVideo(msgspec.Struct, frozen=True):
    """A video and the people who turned to it lately, older ones counting less; `share` is of all such people."""

    video_id: str
    title: str | None
    people: float
    share: float


class TrendingVideos(msgspec.Struct, frozen=True):
    """What most people turn to at present, the most first."""

    items: list[TrendingVideo]


class PlaylistStep(msgspec.Struct, frozen=True):
    """One place of a playlist: the video's cosine to the theme, to the interests and to the video before."""

    video: VideoAnswer
    theme: float
    interest: float
    follows: float


class PlaylistAnswer(msgspec.Struct, frozen=True):
    """A sequence of videos, each leading to the next."""

    items: list[PlaylistStep]


class RememberedVideo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A video that a profile remembers; `weight` is in percent, `scope` says what was hidden."""

    video_id: str
    at_ms: int
    title: str | None = None
    weight: int | None = None
    scope: Literal["video", "creator", "tag"] | None = None


class SurfaceAnswer(msgspec.Struct, frozen=True):
    """Exposures on one surface, and their outcomes."""

    surface: str
    exposures: int
    finished: int
    liked: int
    skipped: int


class ProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a person, newest first.

    version       accepted events so far
    events        by kind
    seen          how many videos do not come back
    recent_rates  shares of finished, liked and skipped exposures of late
    """

    user_id: str
    version: int
    newest_ms: int
    events: dict[str, int]
    watches: list[RememberedVideo]
    likes: list[RememberedVideo]
    skips: list[RememberedVideo]
    follows: list[RememberedVideo]
    hides: list[RememberedVideo]
    seen: int
    recent_rates: dict[str, float]
    surfaces: list[SurfaceAnswer]


TYPES = (VideoAnswer, LookupRequest, VideosAnswer, FoundVideos, TrendingVideos, PlaylistAnswer, ProfileAnswer)
