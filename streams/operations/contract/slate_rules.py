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
from streams.operations.contract.facts import UNREADABLE, Breach, Facts, History, Record, Showing, breach, misplaced

GRACE_MS = 1000  # a withdrawal reaches every ranking process within this; shared state advances once a second


def slates(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Every rule for slates; a null value says that the person was erased."""
    for record in records:
        if record.value is None:
            yield from misplaced(record, topics.RECOMMENDATIONS, facts)
            user_id = (record.key or b"").decode("utf-8", "replace")
            facts.gone[user_id] = facts.forgotten_ms(user_id, record.timestamp)
            continue
        try:
            slate = decode_recommendation(record.value)
        except UNREADABLE as error:
            yield breach(record, f"does not decode: {error}")
            continue
        yield from misplaced(record, topics.RECOMMENDATIONS, facts, slate.user_id)
        for what in (*alone(slate, facts.settings.slate_size), *header(record), *after_the_last(slate, facts)):
            yield breach(record, what)
        for what in against_the_log(slate, record.timestamp, facts):
            yield breach(record, what)


def alone(slate: Recommendation, size: int) -> Iterator[str]:
    """What is wrong with a slate whatever else was said; decoding has refused numbers out of range or not finite."""
    if slate.schema_version.partition(".")[0] != "1":
        yield f"schema_version is {slate.schema_version!r}, not 1.x"
    if slate.recommendation_id != recommendation_id(slate.user_id, slate.version):
        yield f"recommendation_id {slate.recommendation_id} is not the UUIDv5 of its person and version"
    if slate.expires_at_ms != slate.trigger.at_ms + SLATE_LIFE_MS:
        yield f"expires_at_ms is {slate.expires_at_ms}, not 30 minutes after the trigger"
    if len(slate.items) > size:
        yield f"{len(slate.items)} items, {size} are allowed"
    if [item.rank for item in slate.items] != list(range(1, len(slate.items) + 1)):
        yield "the ranks are not 1, 2, 3 and so on"
    if len({item.video_id for item in slate.items}) != len(slate.items):
        yield "a video stands there twice"


def header(record: Record) -> Iterator[str]:
    """The source offset must be there: the ranking agent knows by it what it has answered."""
    said = dict(record.headers).get(SOURCE_OFFSET, b"")
    if not said.isdigit():
        yield f"header {SOURCE_OFFSET} is {said!r}, not an offset"


def after_the_last(slate: Recommendation, facts: Facts) -> Iterator[str]:
    """Versions grow; an equal one is the same slate again, as may happen after a crash."""
    version, offset = facts.versions.get(slate.user_id, (0, -1))
    if slate.version < version:
        yield f"version {slate.version} comes after version {version}"
    elif slate.version == version and slate.trigger.offset != offset:
        yield f"version {version} comes again with another trigger: {slate.trigger.offset}, before {offset}"
    elif slate.version == version:
        facts.repeats += 1
    if slate.version >= version:
        facts.versions[slate.user_id] = slate.version, slate.trigger.offset


def against_the_log(slate: Recommendation, written_ms: int, facts: Facts) -> Iterator[str]:
    """The trigger is there, and no item was seen, is unknown or had been withdrawn."""
    yield from (f"{item.video_id} is not in features.v1" for item in slate.items if item.video_id not in facts.showings)
    trigger = slate.trigger
    if trigger.at_ms <= facts.gone.get(slate.user_id, -1):
        yield "it answers an event from before its person's erasure, after the null slate"
    if trigger.topic != facts.full(topics.FEEDBACK):
        yield f"its trigger is on {trigger.topic}"
        return
    if trigger.partition in facts.first and trigger.offset < facts.first[trigger.partition]:
        return  # retention has taken the trigger, so the rest cannot be told any more
    history = facts.people.get(slate.user_id, History())
    at = history.place(trigger.offset) if trigger.partition in facts.first else None
    if at is None or history.at_ms[at] != trigger.at_ms:
        yield f"its trigger {trigger.partition}@{trigger.offset} is no event of {slate.user_id} that was taken in"
        return
    if "unseen" not in slate.degraded:  # with everything seen, what was seen longest ago comes back
        seen = history.seen(trigger.offset, SEEN, facts.forgotten_ms(slate.user_id))
        yield from (f"{item.video_id} was seen before" for item in slate.items if item.video_id in seen)
    for item in slate.items:
        states = facts.showings.get(item.video_id, ())
        if is_withdrawn(states, history.written_ms[at] - GRACE_MS) and is_withdrawn(states, written_ms):
            yield f"{item.video_id} had been withdrawn"


def is_withdrawn(states: Iterable[Showing], when_ms: int) -> bool:
    """Whether a video was withdrawn at a moment of the broker's time: its newest upload or withdrawal decides.

    >>> states = [Showing(10, 1, False), Showing(20, 5, True), Showing(30, 4, False)]
    >>> [is_withdrawn(states, moment) for moment in (5, 15, 25, 35)]
    [False, False, True, True]
    """
    newest = Showing(0, -1, False)
    for state in states:
        if state.written_ms <= when_ms and state.at_ms >= newest.at_ms:
            newest = state
    return newest.withdrawn
