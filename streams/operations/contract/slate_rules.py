"""The contract's rules for slates: what must hold of each, and from one to the next of a person."""

from collections.abc import Iterable, Iterator

from ranker.profile.model import SEEN
from schemas import topics
from schemas.messages.recommendations import (
    SLATE_LIFE_MS,
    SOURCE_OFFSET,
    Recommendation,
    decode_recommendation,
    recommendation_id,
)
from streams.dead_letters.validation import FUTURE_MS
from streams.kafka.records import Record
from streams.operations.contract.facts import UNREADABLE, Breach, Facts, History, VideoState, breach, misplaced

GRACE_MS = 1000  # a withdrawal reaches every ranking process within this; shared state advances once a second


def slates(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Every rule for slates; a null value says that the person was erased."""
    for record in records:
        if record.value is None:
            yield from misplaced(record, topics.RECOMMENDATIONS, facts)
            facts.add_null_slate(record)
            continue
        try:
            slate = decode_recommendation(record.value)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        yield from misplaced(record, topics.RECOMMENDATIONS, facts, slate.user_id)
        for what in (
            *by_itself(slate, facts.settings.slate_size),
            *expiry_faults(slate, record.timestamp),
            *header_faults(record),
            *after_the_last(slate, facts),
        ):
            yield breach(record, what)
        for what in against_the_log(slate, record.timestamp, facts):
            yield breach(record, what)


def by_itself(slate: Recommendation, size: int) -> Iterator[str]:
    """What is wrong with a slate by itself; decoding has refused numbers that are out of range or not finite."""
    if slate.schema_version.partition(".")[0] != "1":
        yield f"schema_version is {slate.schema_version!r}, not 1.x"
    if slate.recommendation_id != recommendation_id(slate.user_id, slate.version):
        yield f"recommendation_id {slate.recommendation_id} is not the UUIDv5 of its person and version"
    if len(slate.items) > size:
        yield f"{len(slate.items)} items, {size} are allowed"
    if [item.rank for item in slate.items] != list(range(1, len(slate.items) + 1)):
        yield "the ranks are not 1, 2, 3 and so on"
    if len({item.video_id for item in slate.items}) != len(slate.items):
        yield "a video is on it twice"


def expiry_faults(slate: Recommendation, written_ms: int) -> Iterator[str]:
    """A slate expires 30 minutes after its trigger or its profile was written, which was before the slate was."""
    at_ms, earliest_ms = slate.expires_at_ms - SLATE_LIFE_MS, slate.trigger.at_ms
    if at_ms < earliest_ms:
        yield f"expires_at_ms is {slate.expires_at_ms}, less than 30 minutes after the trigger"
    elif at_ms > max(earliest_ms, written_ms + FUTURE_MS):
        yield f"expires_at_ms is {slate.expires_at_ms}, more than 30 minutes after the slate was written"


def header_faults(record: Record) -> Iterator[str]:
    """The source offset must be there: by it the ranking agent knows which profiles it has ranked."""
    offset = dict(record.headers).get(SOURCE_OFFSET) or b""
    if not offset.isdigit():
        yield f"header {SOURCE_OFFSET} is {offset!r}, not an offset"


def after_the_last(slate: Recommendation, facts: Facts) -> Iterator[str]:
    """Versions grow; an equal one is the same slate again, as may happen after a crash."""
    version, offset = facts.versions.get(slate.user_id, (0, -1))
    if slate.version < version:
        yield f"version {slate.version} comes after version {version}"
    elif slate.version == version and slate.trigger.offset != offset:
        yield f"version {version} is repeated with another trigger: {slate.trigger.offset}, before {offset}"
    elif slate.version == version:
        facts.repeats += 1
    if slate.version >= version:
        facts.versions[slate.user_id] = slate.version, slate.trigger.offset


def against_the_log(slate: Recommendation, written_ms: int, facts: Facts) -> Iterator[str]:
    """The trigger is there, and no item was seen, is unknown or had been withdrawn."""
    unknown = (item.video_id for item in slate.items if item.video_id not in facts.video_states)
    yield from (f"{video_id} is not in features.v1" for video_id in unknown)
    trigger = slate.trigger
    if trigger.at_ms <= facts.null_slates.get(slate.user_id, -1):
        yield "its trigger is from before its person's erasure, and it follows the null slate"
    if trigger.topic != facts.full(topics.FEEDBACK):
        yield f"its trigger is on {trigger.topic}"
        return
    if facts.is_deleted(trigger.topic, trigger.partition, trigger.offset):
        facts.not_judged += 1  # by what its person had done
        return
    history = facts.histories.get(slate.user_id, History())
    is_home = trigger.partition == facts.home(topics.FEEDBACK, slate.user_id)
    at = history.place(trigger.offset) if is_home else None
    if at is None or history.at_ms[at] != trigger.at_ms:
        yield f"its trigger {trigger.partition}@{trigger.offset} is not an accepted event of {slate.user_id}"
        return
    if "unseen" not in slate.degraded:  # with everything seen, what was seen longest ago is shown again
        applied = facts.life(slate.user_id, slate.version)
        seen = history.seen(trigger.offset, SEEN, facts.erased_until_ms(slate.user_id), applied)
        yield from (f"{item.video_id} was seen before" for item in slate.items if item.video_id in seen)
    for item in slate.items:
        states = facts.video_states.get(item.video_id, ())
        if is_withdrawn(states, history.written_ms[at] - GRACE_MS) and is_withdrawn(states, written_ms):
            yield f"{item.video_id} had been withdrawn"


def is_withdrawn(states: Iterable[VideoState], when_ms: int) -> bool:
    """Whether a video was withdrawn at a moment of the broker's time: its newest upload or withdrawal decides.

    >>> states = [VideoState(10, 1, False), VideoState(20, 5, True), VideoState(30, 4, False)]
    >>> [is_withdrawn(states, moment) for moment in (5, 15, 25, 35)]
    [False, False, True, True]
    """
    newest = VideoState(0, -1, False)
    for state in states:
        if state.written_ms <= when_ms and state.at_ms >= newest.at_ms:
            newest = state
    return newest.withdrawn
