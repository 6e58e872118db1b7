"""Whether the records on the topics keep the contract: pure rules over records, read in one fixed order.

`check` reads one topic and keeps in `Facts` what the rules of later topics need; `RULES` has that order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from ranker.catalogue.catalogue import DIM
from ranker.profile.codec import ProfileError, unpack
from ranker.profile.erasure import CODE_BYTES
from ranker.profile.event_ids import PageError, decode_page, page_key, user_of
from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY
from schemas import topics
from schemas.messages import videos
from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, Reason, decode_handled
from schemas.messages.erasures import decode_marker
from schemas.messages.trends import decode_trends
from schemas.topics import Topic
from streams.dead_letters.validation import ORIGIN, read_feedback, read_uploads
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.operations.contract.facts import (
    UNREADABLE,
    Breach,
    Facts,
    History,
    VideoState,
    breach,
    misplaced,
    no_dead_letter,
)
from streams.operations.contract.learning_rules import examples, weights
from streams.operations.contract.slate_rules import slates
from streams.profiles.erasure import erasure_offset_of, read_erasures
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep

NUMBER_HEADERS = ("partition", "offset", "at_ms", "attempts")
TEXT_HEADERS = ("reason", "detail", "topic", "freshet_version")
LENGTH_TOLERANCE = 1e-3  # how far a retrieval vector's length may be from 1
CHECK_BATCH_SIZE = 1000  # records


def check(topic: Topic, records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Breaches of one topic's records, which come in offset order per partition; adds to the facts."""
    return RULES[topic](facts.note(records), facts)


def dead_letters(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """All headers, a reason of the closed list, and no more than the first 64 KiB of the original."""
    for record in records:
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        yield from (breach(record, what) for what in dead_letter_faults(headers, record.value))
        if headers.get("partition", "").isdecimal() and headers.get("offset", "").isdecimal():
            facts.dead_letters.add((headers.get("topic", ""), int(headers["partition"]), int(headers["offset"])))


def dead_letter_faults(headers: dict[str, str], value: bytes | None) -> Iterator[str]:
    """What is wrong with a dead letter, in sentences."""
    yield from (f"header {name} is missing or empty" for name in TEXT_HEADERS if not headers.get(name))
    for name in NUMBER_HEADERS:
        if not headers.get(name, "").lstrip("-").isdecimal():
            yield f"header {name} is {headers.get(name)!r}, not a whole number"
    if headers.get("reason") and headers["reason"] not in set(Reason):
        yield f"reason {headers['reason']!r} is not in the closed list"
    if value is None or len(value) > LETTER_BYTES:
        yield f"the value is {'null' if value is None else f'{len(value)} bytes'}, not up to {LETTER_BYTES} bytes"


def handled(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, and keyed by the place that it names."""
    for record in records:
        try:
            one = decode_handled(record.value or b"")
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        if record.key != one.key.encode():
            yield breach(record, f"its key is not {one.key}")


def erasures(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, or a dead letter gives the reason; on the person's partition, or rerouted to it."""
    rerouted = Rerouted(facts)
    for record in records:
        rerouted.see(record)
        validated = read_erasures([record], facts.partitions[topics.ERASURES])
        for dead_letter in validated.dead_letters:
            yield from no_dead_letter(record, facts, dead_letter.detail)
        for erasure in validated.erasures:
            facts.erasures.setdefault(erasure.user_id, []).append((record.timestamp, erasure.at_ms))
            facts.erased_at[record.partition, record.offset] = erasure.at_ms
        rerouted.expect(validated.misrouted, {record.offset: record})
    yield from rerouted.missing()


def markers(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """A keyed hash with a time and a version; its partition is the person's, which cannot be computed from the hash."""
    for record in records:
        key = (record.key or b"").decode("ascii", "replace")
        if len(key) != 2 * CODE_BYTES or not set(key) <= set("0123456789abcdef"):
            yield breach(record, f"its key is not {2 * CODE_BYTES} hexadecimal digits")
        try:
            facts.markers.setdefault(key, []).append(decode_marker(record.value or b"").version)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")


def uploads(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, or a dead letter gives the reason; on the video's partition, or rerouted to it."""
    partitions, rerouted = facts.partitions[topics.UPLOADS], Rerouted(facts)
    for record in records:
        rerouted.see(record)
        validated = read_uploads([record], partitions)
        for letter in validated.dead_letters:
            yield from no_dead_letter(record, facts, letter.detail)
        rerouted.expect(validated.misrouted, {record.offset: record})
    yield from rerouted.missing()


def features(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, keyed by the video; vectors finite and of the size that they claim, the retrieval vector of length 1."""
    for record in records:
        if record.value is None:
            continue
        try:
            video = videos.decode_features(record.value)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        state = VideoState(record.timestamp, video.at_ms, isinstance(video, videos.Withdrawn))
        facts.video_states.setdefault(video.video_id, []).append(state)
        yield from misplaced(record, topics.FEATURES, facts, video.video_id)
        if isinstance(video, videos.Encoded):
            yield from (breach(record, what) for what in vector_faults(video))


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
        elif name == "retrieval" and abs(float(np.sqrt((values * values).sum())) - 1) > LENGTH_TOLERANCE:
            yield f"vector {name} is not of length 1"


def feedback(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, or a dead letter gives the reason; on the person's partition, or rerouted to it."""
    partitions, lives, rerouted = facts.partitions[topics.FEEDBACK], Lives(facts), Rerouted(facts)
    for batch in batches(records):
        for record in batch:
            rerouted.see(record)
        for partition in sorted({record.partition for record in batch}):
            mine = [record for record in batch if record.partition == partition]
            by_offset = {record.offset: record for record in mine}
            validated = read_feedback(mine, partitions)
            for dead_letter in validated.dead_letters:
                yield from no_dead_letter(by_offset[dead_letter.offset], facts, dead_letter.detail)
            rerouted.expect(validated.misrouted, by_offset)
            applied, late = lives.apply(partition, by_offset, validated.arrivals)
            for dead_letter in late:
                yield from no_dead_letter(by_offset[dead_letter.offset], facts, "it came too late")
            for one in sorted(applied, key=lambda arrival: arrival.offset):
                history = facts.histories.setdefault(one.event.user_id, History())
                history.add(one.offset, by_offset[one.offset].timestamp, one.event)
    yield from rerouted.missing()


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


class Rerouted:
    """Records on a wrong partition, each of which has to be there a second time on the right one."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._misrouted: dict[bytes, Record] = {}  # by place
        self._origins: set[bytes | None] = set()

    def see(self, record: Record) -> None:
        """Note the origin of a record that was rerouted."""
        self._origins.update(value for name, value in record.headers if name == ORIGIN)

    def expect(self, misrouted: Iterable[Outgoing], by_offset: Mapping[int, Record]) -> None:
        """Note records that have to be rerouted."""
        for outgoing in misrouted:
            place = dict(outgoing.headers)[ORIGIN] or b""
            self._misrouted[place] = by_offset[int(place.rpartition(b"/")[2])]

    def missing(self) -> Iterator[Breach]:
        """Breaches of those that were not."""
        for record in (one for place, one in self._misrouted.items() if place not in self._origins):
            if self._facts.may_be_deleted(record.topic, record.timestamp):
                self._facts.not_judged += 1
            else:
                yield breach(record, "is on the wrong partition and was not rerouted")


def profiles(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """A readable profile to which an event was applied, or a tombstone; keyed by the person."""
    for record in records:
        yield from misplaced(record, topics.PROFILES, facts)
        if record.value is None:
            until_ms = facts.erased_at.get((record.partition, erasure_offset_of(record)))
            if until_ms is not None:
                facts.tombstones[record.partition, record.offset] = until_ms
            continue
        try:
            profile = unpack(record.value)
        except ProfileError as error:
            yield breach(record, str(error))
            continue
        if profile.version <= EMPTY.version or profile.origin is None:
            yield breach(record, f"no event was applied to version {profile.version}")


def event_ids(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """A whole page of event ids, keyed by its person and version, on the person's partition; or a tombstone."""
    for record in records:
        key = (record.key or b"").decode("utf-8", "surrogatepass")
        yield from misplaced(record._replace(key=user_of(key).encode()), topics.EVENT_IDS, facts)
        if record.value is None:
            continue
        try:
            page = decode_page(record.value)
        except PageError as error:
            yield breach(record, str(error))
            continue
        if key != page_key(user_of(key), page.version):
            yield breach(record, f"its key does not end in version {page.version}")


def trends(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Decoded, keyed by the partition that it counts, and no count below zero."""
    for record in records:
        if record.value is None:
            continue
        try:
            counts = decode_trends(record.value)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        yield from misplaced(record, topics.TRENDS, facts, str(counts.partition))


def batches(records: Iterable[Record]) -> Iterator[Sequence[Record]]:
    """Runs of records, so that a long topic is never held in memory as a whole."""
    left = iter(records)
    while batch := list(islice(left, CHECK_BATCH_SIZE)):
        yield batch


RULES: dict[Topic, Callable[[Iterable[Record], Facts], Iterator[Breach]]] = {
    topics.DEAD_LETTERS: dead_letters,
    topics.HANDLED: handled,
    topics.ERASURES: erasures,
    topics.ERASED: markers,
    topics.UPLOADS: uploads,
    topics.FEATURES: features,
    topics.FEEDBACK: feedback,
    topics.PROFILES: profiles,
    topics.EVENT_IDS: event_ids,
    topics.TRENDS: trends,
    topics.EXAMPLES: examples,
    topics.WEIGHTS: weights,
    topics.RECOMMENDATIONS: slates,
}
