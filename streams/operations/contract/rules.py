"""Whether what stands on the topics keeps the contract: pure rules over records, read in one fixed order.

`check` reads one topic and remembers in `Facts` what the rules of later topics need; `RULES` has that order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from ranker.catalogue.catalogue import DIM
from ranker.profile.codec import ProfileError, unpack
from ranker.profile.erasure import CODE_BYTES
from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY
from schemas import topics
from schemas.messages import videos
from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, Reason
from schemas.messages.erasures import decode_marker
from schemas.messages.trends import decode_trends
from schemas.topics import Topic
from streams.dead_letters.validation import ORIGIN, read_feedback, read_upload
from streams.kafka.confirmed_producer import Outgoing
from streams.operations.contract.facts import (
    UNREADABLE,
    Breach,
    Facts,
    History,
    Record,
    Showing,
    breach,
    misplaced,
    unanswered,
)
from streams.operations.contract.slate_rules import slates
from streams.profiles.erasure import read_erasures
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep

LETTER_NUMBERS = ("partition", "offset", "at_ms", "attempts")
LETTER_WORDS = ("reason", "detail", "topic", "freshet_version")
UNIT = 1e-3  # how far a retrieval vector's length may be from 1
AT_ONCE = 1000


def check(topic: Topic, records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Breaches of one topic's records, which come in offset order per partition; adds to the facts."""
    return RULES[topic](records, facts)


def dead_letters(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """All headers, a reason of the closed list, and no more than the first 64 KiB of the original."""
    for record in records:
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        yield from (breach(record, what) for what in letter_faults(headers, record.value))
        if headers.get("partition", "").isdecimal() and headers.get("offset", "").isdecimal():
            facts.letters.add((headers.get("topic", ""), int(headers["partition"]), int(headers["offset"])))


def letter_faults(headers: dict[str, str], value: bytes | None) -> Iterator[str]:
    """What is wrong with a dead letter, in sentences."""
    yield from (f"header {name} is missing or empty" for name in LETTER_WORDS if not headers.get(name))
    for name in LETTER_NUMBERS:
        if not headers.get(name, "").lstrip("-").isdecimal():
            yield f"header {name} is {headers.get(name)!r}, not a whole number"
    if headers.get("reason") and headers["reason"] not in set(Reason):
        yield f"reason {headers['reason']!r} is not in the closed list"
    if value is None or len(value) > LETTER_BYTES:
        yield f"the value is {'null' if value is None else f'{len(value)} bytes'}, not up to {LETTER_BYTES} bytes"


def erasures(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, or a dead letter says why not; on the person's partition, or sent on to it."""
    sending = SentOn()
    for record in records:
        sending.see(record)
        reading = read_erasures([record], facts.partitions[topics.ERASURES])
        for letter in reading.letters:
            yield from unanswered(record, facts, letter.detail)
        for erasure in reading.erasures:
            facts.erased.setdefault(erasure.user_id, []).append((record.timestamp, erasure.at_ms))
        sending.expect(reading.misrouted, {record.offset: record})
    yield from sending.missing()


def markers(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """A keyed hash, under it a time and a version; the partition is the person's, which nobody can tell from it."""
    for record in records:
        key = (record.key or b"").decode("ascii", "replace")
        if len(key) != 2 * CODE_BYTES or not set(key) <= set("0123456789abcdef"):
            yield breach(record, f"its key is not {2 * CODE_BYTES} hexadecimal digits")
        try:
            decode_marker(record.value or b"")
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")


def uploads(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, or a dead letter says why not; keyed by the video."""
    for record in records:
        read = read_upload(record)
        if isinstance(read, DeadLetter):
            yield from unanswered(record, facts, read.detail)
        elif record.key is not None:
            yield from misplaced(record, topics.UPLOADS, facts, read.video_id)


def features(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, keyed by the video, vectors of the length that they claim, finite, the retrieval vector a unit."""
    for record in records:
        if record.value is None:
            continue
        try:
            read = videos.decode_features(record.value)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        withdrawn = isinstance(read, videos.Withdrawn)
        facts.showings.setdefault(read.video_id, []).append(Showing(record.timestamp, read.at_ms, withdrawn))
        yield from misplaced(record, topics.FEATURES, facts, read.video_id)
        if isinstance(read, videos.Encoded):
            yield from (breach(record, what) for what in vector_faults(read))


def vector_faults(video: videos.Encoded) -> Iterator[str]:
    """What is wrong with a video's vectors, in sentences."""
    for name, vector in video.vectors.items():
        if len(vector.data) != 4 * vector.dim or not vector.dim:
            yield f"vector {name} claims {vector.dim} dimensions and has {len(vector.data)} bytes"
            continue
        values = np.frombuffer(vector.data, dtype="<f4").astype(np.float64)
        if not np.isfinite(values).all():
            yield f"vector {name} holds a number that is not finite"
        elif name == "retrieval" and vector.dim != DIM:
            yield f"vector {name} has {vector.dim} dimensions, the catalogue {DIM}"
        elif name == "retrieval" and abs(float(np.sqrt((values * values).sum())) - 1) > UNIT:
            yield f"vector {name} is not of length 1"


def feedback(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded or answered by a dead letter; on the person's partition, or sent on to it."""
    partitions, lives = facts.partitions[topics.FEEDBACK], Lives(facts)
    sending = SentOn()
    for batch in batches(records):
        for record in batch:
            facts.first.setdefault(record.partition, record.offset)
            sending.see(record)
        for partition in sorted({record.partition for record in batch}):
            mine = [record for record in batch if record.partition == partition]
            by_offset = {record.offset: record for record in mine}
            validated = read_feedback(mine, partitions)
            for letter in validated.letters:
                yield from unanswered(by_offset[letter.offset], facts, letter.detail)
            sending.expect(validated.misrouted, by_offset)
            applied, late = lives.apply(partition, by_offset, validated.arrivals)
            for letter in late:
                yield from unanswered(by_offset[letter.offset], facts, "it came too late")
            for one in sorted(applied, key=lambda arrival: arrival.offset):
                history = facts.people.setdefault(one.event.user_id, History())
                history.add(one.offset, by_offset[one.offset].timestamp, one.event)
    yield from sending.missing()


class Lives:
    """The profiles step over what people did up to their last erasure, and over what they did since."""

    def __init__(self, facts: Facts) -> None:
        self._facts, self._partitions = facts, facts.partitions[topics.FEEDBACK]
        self._steps = [
            ProfilesStep(facts.settings, {p: empty_partition(p) for p in range(self._partitions)}, trends_limit=0)
            for _ in range(2)
        ]

    def apply(
        self, partition: int, by_offset: Mapping[int, Record], arrivals: Sequence[Arrival]
    ) -> tuple[list[Arrival], list[DeadLetter]]:
        """What of a partition's valid events changed a profile, and what came too late."""
        applied, late, topic = [], [], topics.FEEDBACK.full(self._facts.settings.prefix)
        for is_since, step in enumerate(self._steps):
            some = [by_offset[one.offset] for one in arrivals if self._facts.is_since(one) == bool(is_since)]
            if some:
                outcome = step.apply([((topic, partition), some)], self._partitions)
                applied += outcome.applied
                late += outcome.dead_letters
        return applied, late


class SentOn:
    """Records on a wrong partition, each of which has to come again on the right one."""

    def __init__(self) -> None:
        self._astray: dict[bytes, Record] = {}
        self._came: set[bytes | None] = set()

    def see(self, record: Record) -> None:
        """Note whether this is one that was sent on."""
        self._came.update(value for name, value in record.headers if name == ORIGIN)

    def expect(self, misrouted: Iterable[Outgoing], by_offset: Mapping[int, Record]) -> None:
        """Note what should come again."""
        for sent in misrouted:
            place = dict(sent.headers)[ORIGIN] or b""
            self._astray[place] = by_offset[int(place.rpartition(b"/")[2])]

    def missing(self) -> Iterator[Breach]:
        """Breaches of what never came."""
        lost = (record for place, record in self._astray.items() if place not in self._came)
        yield from (breach(record, "is on the wrong partition and was not sent on") for record in lost)


def profiles(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """A readable profile that has taken something in, or a tombstone; keyed by the person."""
    for record in records:
        yield from misplaced(record, topics.PROFILES, facts)
        if record.value is None:
            continue
        try:
            profile = unpack(record.value)
        except ProfileError as error:
            yield breach(record, str(error))
            continue
        if profile.version <= EMPTY.version or profile.origin is None:
            yield breach(record, f"version {profile.version} has taken in no event")


def trends(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, keyed by the partition that it counts, and no count below nothing."""
    for record in records:
        if record.value is None:
            continue
        try:
            read = decode_trends(record.value)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        yield from misplaced(record, topics.TRENDS, facts, str(read.partition))


def batches(records: Iterable[Record]) -> Iterator[Sequence[Record]]:
    """Runs of records, so that a long topic is never held in whole."""
    left = iter(records)
    while batch := list(islice(left, AT_ONCE)):
        yield batch


RULES: dict[Topic, Callable[[Iterable[Record], Facts], Iterator[Breach]]] = {
    topics.DEAD_LETTERS: dead_letters,
    topics.ERASURES: erasures,
    topics.ERASED: markers,
    topics.UPLOADS: uploads,
    topics.FEATURES: features,
    topics.FEEDBACK: feedback,
    topics.PROFILES: profiles,
    topics.TRENDS: trends,
    topics.RECOMMENDATIONS: slates,
}
