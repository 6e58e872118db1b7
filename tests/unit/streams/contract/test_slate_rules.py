"""The rules for slates: each breach is found, and nothing that is allowed is called one."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas import topics
from schemas.messages import recommendations, videos
from schemas.messages.recommendations import SLATE_LIFE_MS, SOURCE_OFFSET, Recommendation, recommendation_id
from tests.support import events
from tests.support.events import minute
from tests.support.kafka_logs import (
    PARTITIONS,
    Log,
    Rec,
    breaches,
    facts_of,
    good_log,
    home,
    put,
    put_event,
    put_slate,
    said,
    slate_for,
)


def last_slate(log: Log) -> tuple[Rec, Recommendation]:
    record = log[topics.RECOMMENDATIONS][-1]
    return record, recommendations.decode_recommendation(record.value or b"")


def with_last_slate(change: Callable[[Recommendation], Recommendation], **fields: Any) -> Log:
    log = good_log()
    record, slate = last_slate(log)
    log[topics.RECOMMENDATIONS][-1] = record._replace(**{"value": recommendations.encode(change(slate))} | fields)
    return log


def test_a_breach_says_where_it_is() -> None:
    log = with_last_slate(lambda slate: msgspec.structs.replace(slate, expires_at_ms=0))
    record, _ = last_slate(log)
    (one,) = breaches(log)
    where = f"freshet.recommendations.v1[{record.partition}]@{record.offset}"
    assert str(one) == f"{where}: expires_at_ms is 0, less than 30 minutes after the trigger"


def replaced(**fields: Any) -> Callable[[Recommendation], Recommendation]:
    return lambda slate: msgspec.structs.replace(slate, **fields)


def first_item(**fields: Any) -> Callable[[Recommendation], Recommendation]:
    return lambda slate: msgspec.structs.replace(
        slate, items=[msgspec.structs.replace(slate.items[0], **fields), *slate.items[1:]]
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (replaced(schema_version="2.0"), "schema_version is '2.0'"),
        (replaced(recommendation_id="r1"), "recommendation_id r1 is not the UUIDv5"),
        (replaced(user_id="eve"), "its key is not eve"),
        (replaced(items=[]), "does not decode"),
        (replaced(version=1, recommendation_id=recommendation_id("ben", 1)), "is repeated with another trigger"),
        (first_item(rank=2), "the ranks are not 1, 2, 3"),
        (first_item(video_id="v3"), "a video is on it twice"),
        (first_item(video_id="v1"), "v1 was seen before"),
        (first_item(video_id="v0"), "v0 was seen before"),
        (first_item(video_id="v99"), "v99 is not in features.v1"),
        (first_item(p={"finish": 1.2}), "does not decode"),
        (first_item(propensity=0.0), "does not decode"),
    ],
)
def test_a_slate_that_breaks_a_rule_is_found(change: Callable[[Recommendation], Recommendation], sentence: str) -> None:
    assert any(sentence in what for what in said(with_last_slate(change)))


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        ({"offset": 7}, "is not an accepted event of ben"),
        ({"partition": 9}, "is not an accepted event of ben"),
        ({"topic": "x"}, "is on x"),
    ],
)
def test_a_trigger_that_is_no_event_is_found(trigger: dict[str, Any], sentence: str) -> None:
    log = with_last_slate(
        lambda slate: msgspec.structs.replace(slate, trigger=msgspec.structs.replace(slate.trigger, **trigger))
    )
    assert [sentence in what for what in said(log)] == [True]


def test_an_expiry_is_half_an_hour_after_the_trigger_or_after_its_late_arrival_and_no_later() -> None:
    def expiring(at_ms: int) -> list[str]:
        return said(with_last_slate(replaced(expires_at_ms=at_ms + SLATE_LIFE_MS), timestamp=minute(62)))

    assert expiring(minute(2)) == expiring(minute(61)) == []
    assert expiring(minute(68)) == [f"expires_at_ms is {minute(98)}, more than 30 minutes after the slate was written"]


@pytest.mark.parametrize("number", [b"NaN", b"1e999", b"-Infinity", b"null"])
def test_a_number_that_is_not_finite_is_found(number: bytes) -> None:
    log = good_log()
    record, _ = last_slate(log)
    log[topics.RECOMMENDATIONS][-1] = record._replace(
        value=(record.value or b"").replace(b'"total":9.0', b'"total":' + number)
    )
    assert ["does not decode" in what for what in said(log)] == [True]


def test_somebody_elses_event_is_no_trigger() -> None:
    log = good_log()
    other = next(f"p{n}" for n in range(99) if home(f"p{n}") == home("ben"))
    put_event(log, events.watched(other, "v0", minute(9)))
    record, slate = last_slate(log)
    trigger = msgspec.structs.replace(slate.trigger, offset=log[topics.FEEDBACK][-1].offset)
    wrong = msgspec.structs.replace(slate, trigger=trigger)
    log[topics.RECOMMENDATIONS][-1] = record._replace(value=recommendations.encode(wrong))
    assert any("is not an accepted event of ben" in what for what in said(log))


def test_more_items_than_a_slate_has_are_found() -> None:
    assert said(good_log(), slate_size=2) == ["3 items, 2 are allowed"] * 2


def test_a_slate_on_the_wrong_partition_or_without_its_header_is_found() -> None:
    elsewhere = (home("ben") + 1) % PARTITIONS
    assert said(with_last_slate(replaced(), partition=elsewhere)) == [f"its key belongs on partition {home('ben')}"]
    assert said(with_last_slate(replaced(), headers=[])) == [f"header {SOURCE_OFFSET} is b'', not an offset"]
    assert said(with_last_slate(replaced(), key=None)) == ["has no key"]


def test_versions_may_repeat_but_not_go_back() -> None:
    log = good_log()
    record, _ = last_slate(log)
    log[topics.RECOMMENDATIONS].append(record._replace(offset=record.offset + 1))
    assert breaches(log) == []
    first = next(r for r in log[topics.RECOMMENDATIONS] if r.key == b"ben")
    log[topics.RECOMMENDATIONS].append(first._replace(offset=record.offset + 2))
    assert said(log) == ["version 1 comes after version 2"]


def test_an_erased_person_has_a_null_slate_and_starts_from_scratch() -> None:
    log = good_log()
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(3))
    put(log, topics.ERASURES, "ben", b'{"user_id":"ben","at_ms":%d}' % minute(3))
    again = put_event(log, events.watched("ben", "v5", minute(4)))
    put_slate(log, slate_for(log, "ben", 3, again, ["v0", "v1"]), minute(4) + 10)  # seen before, but forgotten
    assert breaches(log) == []
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(3), partition=(home("ben") + 1) % PARTITIONS)
    assert said(log) == [f"its key belongs on partition {home('ben')}"]


def test_with_everything_seen_the_seen_may_come_back() -> None:
    seen = with_last_slate(first_item(video_id="v0"))
    record, slate = last_slate(seen)
    seen[topics.RECOMMENDATIONS][-1] = record._replace(
        value=recommendations.encode(replaced(exhausted=True, degraded=["unseen"])(slate))
    )
    assert breaches(seen) == []


def test_what_was_seen_512_videos_ago_may_come_back() -> None:
    log = good_log()
    for number in range(512):
        trigger = put_event(log, events.watched("ben", f"w{number}", minute(3 + number)))
    put_slate(log, slate_for(log, "ben", 514, trigger, ["v0", "v1"]), trigger.timestamp + 10)
    assert breaches(log) == []
    put_slate(log, slate_for(log, "ben", 515, trigger, ["w0"]), trigger.timestamp + 10)
    assert said(log) == ["w0 is not in features.v1", "w0 was seen before"]


@pytest.mark.parametrize(
    ("withdrawn_at", "again_at", "found"),
    [
        (minute(1), None, True),
        (minute(1.99), None, False),
        (minute(3), None, False),
        (minute(1), minute(2) + 5, False),
        (minute(1), minute(1.5), False),
    ],
)
def test_a_video_withdrawn_before_the_trigger_is_found(withdrawn_at: int, again_at: int | None, found: bool) -> None:
    log = good_log()
    put(log, topics.FEATURES, "v4", videos.encode(events.withdrawn("v4", withdrawn_at)), withdrawn_at)
    if again_at:
        put(log, topics.FEATURES, "v4", videos.encode(events.encoded("v4", again_at)), again_at)
    assert said(log) == (["v4 had been withdrawn"] * 2 if found else [])


def test_what_retention_took_is_not_held_against_a_slate_but_counted() -> None:
    log, facts = good_log(), facts_of()
    log[topics.FEEDBACK] = [record._replace(offset=record.offset + 4) for record in log[topics.FEEDBACK]]
    assert breaches(log, facts) == []
    assert facts.not_judged == 4


def test_slates_of_a_partition_that_was_emptied_cannot_be_judged() -> None:
    log, facts = good_log(), facts_of()
    del log[topics.FEEDBACK]
    assert ["is not an accepted event" in what for what in said(log)] == [True] * 4
    facts.starts = {("freshet.feedback.v1", home("ben")): 2}
    others = {what.rpartition(" ")[2] for what in said(log, facts)}
    of_ben = 2 * (1 + (home("ana") == home("ben")))
    assert "ben" not in others and facts.not_judged == of_ben


def test_a_slate_by_what_is_left_is_judged_as_before() -> None:
    log = good_log()
    for topic in (topics.FEEDBACK, topics.RECOMMENDATIONS):
        log[topic] = [record for record in log[topic] if record.key == b"ben"]
    log[topics.FEEDBACK] = log[topics.FEEDBACK][1:]
    record, slate = last_slate(log)
    again = replaced(items=[msgspec.structs.replace(slate.items[0], video_id="v1")])(slate)
    log[topics.RECOMMENDATIONS][-1] = record._replace(value=recommendations.encode(again))
    facts = facts_of()
    assert said(log, facts) == ["v1 was seen before"] and facts.not_judged == 1
