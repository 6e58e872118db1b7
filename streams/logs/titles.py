"""The titles of videos, read beside the slates that name them."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from schemas.settings.model import Settings
from schemas.topics import FEATURES
from streams.kafka.records import Record
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_follower import TopicFollower
from streams.kafka.topic_watch import TopicIdentity, TopicWatch

log = logging.getLogger("freshet.titles")

POLL_INTERVAL_S = 0.05


class KnownVideo(msgspec.Struct, frozen=True, gc=False):
    """What is read of a record of features.v1: decoding its vectors would cost more than everything else."""

    video_id: str
    at_ms: int
    title: str | None = None


decode = msgspec.json.Decoder(KnownVideo).decode


class Titles:
    """Title and upload time by video: of a withdrawn one those that it had."""

    def __init__(self) -> None:
        self._videos: dict[str, KnownVideo] = {}

    def begin(self, topic: TopicIdentity, ends: Mapping[int, int]) -> Mapping[int, int]:
        """From the beginning, whatever was read before."""
        return {}

    def apply(self, partition: int, records: Sequence[Record], position: int) -> None:
        """Take in what features.v1 says; damaged records are left out."""
        for record in records:
            try:
                video = decode(record.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                log.debug("%s[%d]@%d: %s", record.topic, record.partition, record.offset, error)
                continue
            if video.title is not None or video.video_id not in self._videos:
                self._videos[video.video_id] = video

    def get(self, video_id: str) -> KnownVideo | None:
        """A video; None while nothing is known of it."""
        return self._videos.get(video_id)


class FollowedTitles:
    """Titles that are followed; `settle` gives them a moment to be there before the first slate is shown."""

    def __init__(self, titles: Titles, follower: TopicFollower) -> None:
        self.get, self._follower = titles.get, follower

    def settle(self, limit_s: float) -> None:
        """Return once all that is known by now is read, or after so long: later ones come meanwhile."""
        end = time.monotonic() + limit_s
        while not self._follower.caught_up and time.monotonic() < end:
            time.sleep(POLL_INTERVAL_S)


@contextmanager
def followed_titles(settings: Settings) -> Iterator[FollowedTitles]:
    """Titles as they become known, for the time of a `with`."""
    watch, titles = TopicWatch(librdkafka_options(settings)), Titles()
    follower = TopicFollower(settings, FEATURES.full(settings.prefix), watch, titles)
    watch.start()
    follower.start()
    try:
        yield FollowedTitles(titles, follower)
    finally:
        follower.stop()
        watch.stop()
