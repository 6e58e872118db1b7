"""The fields of an exposure: what of a video, a surface and an hour has an effect of its own that is learned.

A field is a line of FIELDS. Its keys are texts; each key has an effect per head and counts, see parameters.py.
"""

from collections.abc import Callable
from math import log
from typing import Literal, NamedTuple

from ranker.catalogue.entry import VideoFacts

HOUR_MS = 3_600_000
LONGEST_BUCKET = 20  # of 2.5 minutes and more

Part = Literal["context", "video"]


class Exposure(NamedTuple):
    """A video as a person meets it."""

    video_id: str
    facts: VideoFacts
    surface: str
    hour: int  # of the day, UTC


class Field(NamedTuple):
    """A kind of effect.

    key       of an exposure; None: unknown, no effect
    variance  of an effect before anything is known, by head; tuned on KuaiRand's training days
    part      `context` is the same for all videos of a slate, so it cannot change their order
    has_rate  whether the smoothed rates of its keys are features as well
    of_one    whether a key is of one video alone, and goes with it
    shares    the field before it whose keys are its keys too, with their effects and counts; empty: they are its own
    """

    name: str
    key: Callable[[Exposure], str | None]
    variance: tuple[float, float, float]
    part: Part = "video"
    has_rate: bool = False
    of_one: bool = False
    shares: str = ""


OF_TAG = (0.4, 0.8, 0.4)
FIELDS = (
    Field("surface", lambda one: one.surface, (4, 0.5, 4), "context"),
    Field("hour", lambda one: f"{one.hour} {one.surface}", (0.1, 0.05, 0.1), "context"),
    Field("duration", lambda one: f"{duration_bucket(one.facts.duration_ms)} {one.surface}", (102, 0.5, 20)),
    Field("tag", lambda one: one.facts.tag, OF_TAG),
    Field("second tag", lambda one: further_tag(one.facts, 0), OF_TAG, shares="tag"),
    Field("third tag", lambda one: further_tag(one.facts, 1), OF_TAG, shares="tag"),
    Field("creator", lambda one: one.facts.creator, (0.1, 0.04, 0.1), has_rate=True),
    Field("music", lambda one: one.facts.music, (0.1, 0.02, 0.1)),
    Field("video", lambda one: one.video_id, (0.1, 0.02, 0.1), has_rate=True, of_one=True),
    Field(
        "video on surface",
        lambda one: on_surface(one.surface, one.video_id),
        (0.05, 0.01, 0.05),
        has_rate=True,
        of_one=True,
    ),
)
FIELD_NAMES = tuple(field.name for field in FIELDS)
KEYS_OF = tuple(
    FIELD_NAMES.index(field.shares or field.name) for field in FIELDS
)  # the field under which keys are kept


def further_tag(facts: VideoFacts, place: int) -> str | None:
    """A tag beyond the first, if there is one.

    >>> further_tag(VideoFacts(tag="sea", more_tags=("dogs",)), 0), further_tag(VideoFacts(tag="sea"), 0)
    ('dogs', None)
    """
    return facts.more_tags[place] if place < len(facts.more_tags) else None


def on_surface(surface: str, video_id: str) -> str:
    """The key of a video on a surface; its parts are found again by `split_by_surface`.

    >>> split_by_surface(on_surface("feed", "v 7"))
    ('feed', 'v 7')
    """
    return f"{surface}\0{video_id}"


def split_by_surface(key: str) -> tuple[str, str]:
    """The surface and the video of a key."""
    surface, _, video_id = key.partition("\0")
    return surface, video_id


def duration_bucket(duration_ms: int) -> int:
    """A logarithmic bucket, each 28 % longer than the one before; −1: unknown.

    >>> duration_bucket(0), duration_bucket(900), duration_bucket(60_000), duration_bucket(10_000_000)
    (-1, 0, 16, 20)
    """
    if duration_ms <= 0:
        return -1
    return min(LONGEST_BUCKET, int(4 * log(max(duration_ms, 1000) / 1000)))


def hour_of(at_ms: int) -> int:
    """The hour of the day, in UTC: a slate knows no other.

    >>> hour_of(1651161600000)
    16
    """
    return at_ms // HOUR_MS % 24
