"""One video as the catalogue stores it, and how a record of features.v1 becomes one."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ranker.catalogue.arrays import Vectors
from schemas.messages.plain_text import comparable, language_code
from schemas.messages.vectors import decode_vector
from schemas.messages.videos import RETRIEVAL, Encoded, Upload

LIMITED = "safety:limited"  # the label that moderation writes
MORE_TAGS = 2
FOR_GOOD = 2**63 - 1  # later than any event time, and fits an int64


class VideoFacts(NamedTuple):
    """What of a video the ranking learns by."""

    creator: str | None = None
    tag: str | None = None  # the first
    music: str | None = None
    duration_ms: int = 0  # 0: unknown
    more_tags: tuple[str, ...] = ()  # the next, at most MORE_TAGS


@dataclass(frozen=True)
class Entry:
    """One video to add; `vector` is float32 [D] of any norm but 0, or None."""

    video_id: str
    at_ms: int
    vector: Vectors | None = None
    creator_id: str | None = None
    category: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    duration_ms: int | None = None
    restricted_until_ms: int = 0  # event time before which it is shown only to those who follow its creator
    music_id: str | None = None
    found_tags: int = 0  # of the tags the last, which models found

    @property
    def facts(self) -> VideoFacts:
        """What the ranking learns by."""
        return _facts(self.creator_id, self.tags, self.music_id, self.duration_ms, self.found_tags)


def catalogue_entry_from(record: Encoded, dim: int, encoder: str | None = None) -> Entry:
    """What the catalogue stores of a record, without a vector that is not finite or of another size or encoder."""
    vector = record.vectors.get(RETRIEVAL)
    if vector is not None and encoder not in (None, vector.encoder):
        vector = None
    return Entry(
        record.video_id,
        record.at_ms,
        decode_vector(vector, dim),
        record.creator_id,
        record.category or None,
        language_code(record.language),
        tags_of(record),
        record.duration_ms,
        restricted_until_ms(record),
        record.music_id,
        found_tags_of(record),
    )


def tags_of(record: Encoded | Upload) -> tuple[str, ...]:
    """The tags as they are compared, each once, without blank ones: to hide one would hide every video that has it.

    >>> tags_of(Encoded(video_id="v7", at_ms=1650000000000, tags=["Food", " ", "\\uff46ood"]))
    ('food',)
    """
    return tuple(dict.fromkeys(filter(None, map(comparable, record.tags or ()))))


def facts_of(video: Encoded | Upload) -> VideoFacts:
    """The facts of a video that has tags, from its upload or its record of features.v1: the same from both."""
    return _facts(video.creator_id, tags_of(video), video.music_id, video.duration_ms, found_tags_of(video))


def found_tags_of(video: Encoded | Upload) -> int:
    """How many of its tags, the last ones, no creator gave."""
    return video.found_tags if isinstance(video, Encoded) else 0


def _facts(
    creator: str | None, tags: tuple[str, ...], music: str | None, duration_ms: int | None, found: int
) -> VideoFacts:
    """Of a video without a creator's tag the first that was found counts; beside a creator's, none that was."""
    more = tags[1 : max(0, len(tags) - found)][:MORE_TAGS]
    return VideoFacts(creator, tags[0] if tags else None, music, duration_ms or 0, more)


def restricted_until_ms(record: Encoded) -> int:
    """Event time before which a video is limited: 0 if it is not limited, FOR_GOOD if its limit does not expire."""
    return record.expires.get(LIMITED, FOR_GOOD) if LIMITED in record.labels else 0


def unit(vector: Vectors) -> Vectors:
    """The vector scaled to norm 1; a zero vector stays zero.

    >>> unit(np.array([3, 4], np.float32)).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    wide = vector.astype(np.float64)
    length = float(np.sqrt((wide * wide).sum()))
    return (wide / length).astype(np.float32) if length > 0 else np.zeros(len(vector), np.float32)
