"""Freshet's topics as data: name, key, cleanup and retention of each."""

from dataclasses import dataclass
from typing import Literal

from schemas.messages.fields import DAY_MS

MAX_RECORD_BYTES = 16 * 1024 * 1024  # the largest record that the broker takes
# Of a compacted topic: the newest segment is never compacted, and with Kafka's 1 GiB a recovery reads it whole
# (docs/decisions/0083-segments-of-compacted-topics-are-small.md). None may be smaller than the largest batch.
SEGMENT_BYTES = 2 * MAX_RECORD_BYTES

Cleanup = Literal["delete", "compact", "compact,delete"]


@dataclass(frozen=True)
class Topic:
    """One topic; its full name on the broker is the prefix and `name`."""

    name: str
    key: str
    cleanup: Cleanup
    carries: str
    keyed_by_user: bool = False  # these have equal partition counts and may never grow: keys would move
    retention_ms: int | None = None  # of records that compaction does not remove
    stamped_by_broker: bool = False  # record time is the broker's, so that a client's clock can be checked against it
    partitions: int | None = None  # of every installation; None: as the settings say
    may_be_grown: bool = False  # by whoever runs Kafka: nobody keeps state by its partitions

    def full(self, prefix: str) -> str:
        """Name on the broker, e.g. `freshet.feedback.v1`."""
        return prefix + self.name

    def partition_count(self, as_set: int) -> int:
        """How many partitions it has where the settings say so many."""
        return self.partitions or as_set

    def config(self) -> dict[str, str]:
        """Topic configuration as the broker spells it."""
        config = {"cleanup.policy": self.cleanup, "max.message.bytes": str(MAX_RECORD_BYTES)}
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
            config["segment.ms"] = str(DAY_MS)  # Kafka deletes whole segments, so a record may stay this much longer
        if self.stamped_by_broker:
            config["message.timestamp.type"] = "LogAppendTime"
            # Others write these topics. Of the codecs only zstd is unpacked by the agents' client up to a limit; of the
            # others a batch of kilobytes may fill gigabytes (docs/decisions/0043-batches-that-cannot-be-read.md).
            config["compression.type"] = "zstd"
        if "compact" in self.cleanup:
            config["min.compaction.lag.ms"] = "600000"  # a zombie's late write can be corrected before it is compacted
            config["segment.bytes"] = str(SEGMENT_BYTES)
        if "compact" in self.cleanup and self.keyed_by_user:
            # The records of an erased person are compacted within a day, however small their share of the log. The
            # tombstone, which carries the id, goes a day later: an agent that has to read it may be down that long.
            config["max.compaction.lag.ms"] = str(DAY_MS)
            config["delete.retention.ms"] = str(DAY_MS)
        return config


FEEDBACK = Topic("feedback.v1", "user_id", "delete", "what people do", True, 7 * DAY_MS, True)
UPLOADS = Topic("uploads.v1", "video_id", "delete", "upload, withdraw", False, 30 * DAY_MS, True)
PEOPLE = Topic("people.v1", "user_id", "compact", "declared interests, for a cold start", True)
FEATURES = Topic("features.v1", "video_id", "compact", "what the encoders made of a video")
PROFILES = Topic("profiles.v1", "user_id", "compact", "profiles (MessagePack), newest per person", True)
EVENT_IDS = Topic("event-ids.v1", "user_id and version", "compact", "event ids that do not fit into the profiles", True)
TRENDS = Topic("trends.v1", "partition", "compact", "decayed counts of distinct people per video")
EXAMPLES = Topic(  # of one partition: so whatever learns from it is one process, and its order is the order of learning
    "examples.v1", "partition of the events", "delete", "outcomes to learn from, without ids of people",
    retention_ms=7 * DAY_MS, partitions=1,
)  # fmt: skip
WEIGHTS = Topic(
    "weights.v1", "slot and block", "compact", "learned parameters in blocks, a manifest last", partitions=1
)
RECOMMENDATIONS = Topic("recommendations.v1", "user_id", "compact,delete", "slates", True, 7 * DAY_MS)
ERASURES = Topic("erasures.v1", "user_id", "delete", "forget a person", True, 30 * DAY_MS, True)
ERASED = Topic("erased.v1", "keyed hash of user_id", "compact", "until when an erased person is forgotten", True)
DEAD_LETTERS = Topic(
    "dead-letters.v1", "key of the original", "delete", "what could not be used, and why", False, 30 * DAY_MS,
    may_be_grown=True,
)  # fmt: skip
HANDLED = Topic(  # a mark outlives its dead letter, which Kafka keeps for up to a day longer than asked
    "handled-dead-letters.v1", "place of the dead letter", "delete", "which dead letters were dealt with",
    retention_ms=32 * DAY_MS, partitions=1,
)  # fmt: skip

TOPICS = (
    FEEDBACK,
    UPLOADS,
    FEATURES,
    PROFILES,
    EVENT_IDS,
    TRENDS,
    EXAMPLES,
    WEIGHTS,
    RECOMMENDATIONS,
    ERASURES,
    ERASED,
    DEAD_LETTERS,
    HANDLED,
)
# What a backup holds, in the order in which it is read: nobody then lacks a marker, an event id or a topic's id that
# belongs to their profile. All else is either what others wrote, or made again from these.
STATE = (PROFILES, EVENT_IDS, ERASED, TRENDS, WEIGHTS, FEATURES)
# Names that are spoken for; nothing creates these topics until something writes them.
RESERVED = (PEOPLE,)
