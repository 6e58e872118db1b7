"""Being forgotten, without a broker: floors, what they refuse, and what no longer leaves."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from ranker.catalogue.popularity import TrendCounts
from ranker.pipeline.types import Query, Slate
from ranker.profile.codec import pack
from ranker.profile.erasure import (
    GAP,
    RecentErasures,
    advance_marker,
    coder,
    is_after_erasure,
    restarted_profile,
    split_by_erasure,
)
from ranker.profile.fold import Arrival
from ranker.profile.model import EMPTY
from schemas import topics
from schemas.messages import dead_letters, feedback, recommendations
from schemas.messages.dead_letters import Reason
from schemas.messages.erasures import Erasure, ErasureMarker
from schemas.messages.fields import DAY_MS
from schemas.messages.recommendations import decode_recommendation
from schemas.settings.model import Settings
from schemas.topics import ERASURES
from streams.dead_letters.validation import FUTURE_MS, ORIGIN
from streams.kafka.records import Record
from streams.profiles.erasure import erased_dead_letters, read_erasures
from streams.ranking.shared_state import SharedState
from streams.ranking.step import RankStep
from tests.support.catalogues import LATER, catalogue_of, home_feed, ids, kitchen_and_garden
from tests.support.events import NOON, after, arrivals, fold_all, folded, liked, minute, watched, withdrawn
from tests.support.kafka_logs import (
    Rec,
    breaches,
    good_log,
    home,
    put,
    put_event,
    put_letter,
    put_slate,
    said,
    slate_for,
)

CODE = coder("a secret")


def test_a_floor_lies_above_every_version_that_was_there() -> None:
    profile = after(*(watched("ana", f"v{n}", minute(n)) for n in range(3)))
    first = advance_marker(None, profile, minute(5))
    assert first == ErasureMarker(minute(5), 3 + GAP)
    again = advance_marker(first, msgspec.structs.replace(profile, version=3 + GAP + 8), minute(9))
    assert again == ErasureMarker(minute(9), 3 + GAP + 8 + GAP)


def test_an_unknown_person_gets_a_floor_too() -> None:
    assert advance_marker(None, None, NOON) == ErasureMarker(NOON, GAP)


@pytest.mark.parametrize("at_ms", [minute(5), minute(4)])
def test_the_same_erasure_and_an_older_one_change_no_floor(at_ms: int) -> None:
    marker = advance_marker(None, None, minute(5))
    assert advance_marker(marker, after(watched("ana", "v1", minute(6))), at_ms) is None


def test_whoever_comes_back_starts_empty_above_the_floor() -> None:
    old = after(watched("ana", "v1"), liked("ana", "v1"), state=EMPTY)
    marker = advance_marker(None, old, NOON)
    assert marker is not None
    came = arrivals([liked("ana", "v2", minute(1))])
    admitted = split_by_erasure({CODE("ana"): marker}, CODE, {}, came)
    assert admitted.restarted == {"ana": restarted_profile(marker)}
    back = fold_all(admitted.restarted, admitted.kept, DAY_MS).changed["ana"]
    assert back.version == marker.version + 1
    assert [mark.video_id for mark in back.likes] == ["v2"]
    assert is_after_erasure(marker, back.version)
    assert not is_after_erasure(marker, old.version)


def test_what_a_worker_that_was_cut_off_still_folds_stays_below_the_floor() -> None:
    old = after(watched("ana", "v1"))
    marker = advance_marker(None, old, minute(5))
    zombie = fold_all(
        {"ana": old}, arrivals([watched("ana", f"v{n}", minute(9)) for n in range(5000)], first=1), DAY_MS
    )
    assert not is_after_erasure(marker, zombie.changed["ana"].version)


def test_events_at_or_before_an_erasure_are_refused_and_later_ones_kept() -> None:
    markers = {CODE("ana"): ErasureMarker(minute(5), GAP)}
    told = [watched("ana", f"v{n}", at_ms) for n, at_ms in enumerate((minute(4), minute(5), minute(5) + 1))]
    admitted = split_by_erasure(markers, CODE, {}, arrivals([*told, watched("ben", "v1", minute(1))]))
    assert [a.offset for a in admitted.erased] == [0, 1]
    assert [a.offset for a in admitted.kept] == [2, 3]
    assert list(admitted.restarted) == ["ana"]


def test_late_events_of_somebody_who_came_back_are_refused() -> None:
    marker = ErasureMarker(minute(5), GAP)
    back = fold_all({"ana": restarted_profile(marker)}, arrivals([liked("ana", "v2", minute(6))]), DAY_MS).changed
    admitted = split_by_erasure({CODE("ana"): marker}, CODE, back, arrivals([watched("ana", "v1", minute(4))], first=1))
    assert (len(admitted.erased), admitted.kept, admitted.restarted) == (1, [], {})


def test_people_in_their_first_life_are_not_hashed() -> None:
    def refuses(user_id: str) -> str:
        raise AssertionError(user_id)

    people = folded(watched("ana", "v1")).changed
    assert (
        len(
            split_by_erasure(
                {"x": ErasureMarker(NOON, GAP)}, refuses, people, arrivals([liked("ana", "v2")], first=1)
            ).kept
        )
        == 1
    )


def test_a_code_says_nothing_without_its_secret() -> None:
    assert len(CODE("ana")) == 32
    assert {coder("")("ana"), coder("other")("ana"), CODE("ben")}.isdisjoint({CODE("ana")})
    assert "ana" not in CODE("ana")


def test_slates_made_before_an_erasure_are_refused_for_as_long_as_it_is_kept() -> None:
    erased = RecentErasures(keep_ms=DAY_MS)
    erased.add("ana", minute(5), minute(5))
    erased.add("ana", minute(3), minute(6))
    assert erased.refuses("ana", minute(5))
    assert not erased.refuses("ana", minute(5) + 1)
    assert not erased.refuses("ben", minute(5))
    erased.add("ben", minute(7), minute(6) + DAY_MS)
    assert len(erased) == 2
    erased.add("cleo", minute(8), minute(6) + DAY_MS + 1)
    assert not erased.refuses("ana", minute(5))
    assert len(erased) == 2


def test_trends_hold_nobodys_id() -> None:
    counts = TrendCounts()
    counts.count(folded(liked("person-ana", "v1"), liked("person-ben", "v1")).batch)
    record = recommendations.encode(counts.record(NOON // 1000, 10))
    assert b"v1" in record
    assert b"person" not in record


def erasure_record(value: bytes | None, key: str | None = "ana", **changed: object) -> Rec:
    place = Rec(ERASURES.full("freshet."), home("ana"), 7, NOON, key.encode() if key else None, value)
    return place._replace(**changed)  # type: ignore[arg-type]


def saying(user_id: object = "ana", at_ms: object = NOON) -> bytes:
    return json.dumps({"user_id": user_id, "at_ms": at_ms}).encode()


def test_an_erasure_is_read_also_without_a_key_and_as_a_cloud_event() -> None:
    cloud = json.dumps({"specversion": "1.0", "id": "1", "type": "x.v1", "data": json.loads(saying())}).encode()
    reading = read_erasures([erasure_record(saying(), None), erasure_record(cloud)], 4)
    assert reading.erasures == [Erasure(user_id="ana", at_ms=NOON)] * 2
    assert not reading.dead_letters


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (None, "ana", Reason.DECODE),
        (b"", "ana", Reason.DECODE),
        (b"{", "ana", Reason.DECODE),
        (b"[" * 5000, "ana", Reason.TOO_LARGE),
        (b"[" * 4000, "ana", Reason.DECODE),
        (b"\x00\x00\x00\x00\x07{}", "ana", Reason.SCHEMA_VERSION),
        (b"{}", "ana", Reason.SCHEMA),
        (saying(user_id=7), "ana", Reason.SCHEMA),
        (saying(user_id=""), "ana", Reason.SCHEMA),
        (saying(user_id="a\nb"), "ana", Reason.SCHEMA),
        (saying(at_ms="now"), "ana", Reason.SCHEMA),
        (saying(at_ms=NOON // 1000), "ana", Reason.TIMESTAMP),
        (saying(at_ms=NOON + FUTURE_MS + 1), "ana", Reason.TIMESTAMP),
        (saying(), "ben", Reason.KEY_MISMATCH),
    ],
)
def test_an_erasure_that_cannot_be_used_has_its_reason(value: bytes | None, key: str, reason: Reason) -> None:
    reading = read_erasures([erasure_record(value, key)], 4)
    assert [one.reason for one in reading.dead_letters] == [reason]
    assert not reading.erasures


def test_an_erasure_on_the_wrong_partition_is_sent_on_once() -> None:
    wrong = erasure_record(saying(), partition=(home("ana") + 1) % 4)
    (again,) = read_erasures([wrong], 4).misrouted
    assert (again.key, again.value) == (b"ana", wrong.value)
    assert dict(again.headers)[ORIGIN] == f"{wrong.topic}/{wrong.partition}/7".encode()
    (one,) = read_erasures([wrong._replace(headers=again.headers)], 4).dead_letters
    assert one.reason == Reason.KEY_MISMATCH


def test_the_dead_letter_of_an_erased_person_holds_nothing_of_them() -> None:
    event = watched("person-ana", "v1", event_id="e-1")
    record = Rec(
        "freshet.feedback.v1", 0, 0, NOON, b"person-ana", feedback.encode(event), [("ce_subject", b"person-ana")]
    )
    (one,) = erased_dead_letters([record, record._replace(offset=1)], arrivals([event]))
    written = dead_letters.letter_headers(one, "0")
    assert (one.key, one.value, one.reason, one.offset) == (None, b"", Reason.ERASED, 0)
    assert not any(b"person-ana" in value for _, value in written)


def test_every_arrival_is_either_kept_or_refused() -> None:
    markers = {CODE(f"p{n}"): ErasureMarker(minute(n), GAP) for n in range(0, 20, 2)}
    told = [watched(f"p{n % 20}", f"v{n}", minute(n % 7)) for n in range(200)]
    admitted = split_by_erasure(markers, CODE, {}, arrivals(told))
    assert sorted([*admitted.kept, *admitted.erased], key=lambda one: one.offset) == arrivals(told)
    assert admitted.kept and admitted.erased


def test_an_event_refused_for_an_erasure_is_not_held_against_the_profile() -> None:
    log = good_log()
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(3))
    put(log, topics.ERASURES, "ben", b'{"user_id":"ben","at_ms":%d}' % minute(3), minute(3))
    late = put_event(log, watched("ben", "v5", minute(2.5)), timestamp=minute(4))
    put_letter(log, late, headers=refusal(late))
    again = put_event(log, watched("ben", "v0", minute(5), event_id="ben-1"))  # an id of the life before
    put_slate(log, slate_for(log, "ben", 1_000_003, again, ["v5", "v1"]), minute(5) + 10)
    assert breaches(log) == []


def refusal(record: Rec) -> list[tuple[str, bytes]]:
    (one,) = erased_dead_letters(
        [record], [Arrival(feedback.decode(record.value or b""), record.topic, 0, record.offset)]
    )
    return dead_letters.letter_headers(one, "0.1.0")


def test_an_erasure_on_the_wrong_partition_has_to_come_again() -> None:
    log = good_log()
    wrong = put(log, ERASURES, "ana", saying(), partition=(home("ana") + 1) % 4)
    assert said(log) == ["is on the wrong partition and was not rerouted"]
    origin = f"{wrong.topic}/{wrong.partition}/{wrong.offset}".encode()
    put(log, ERASURES, "ana", saying(), headers=[(ORIGIN, origin)])
    assert breaches(log) == []


def test_nobody_is_answered_for_what_was_erased_after_the_null_slate() -> None:
    log = good_log()
    put(log, topics.ERASURES, "ben", b'{"user_id":"ben","at_ms":%d}' % minute(3), minute(3))
    record = log[topics.RECOMMENDATIONS][-1]
    put(log, topics.RECOMMENDATIONS, "ben", None, minute(3) + 1)
    assert breaches(log) == []
    log[topics.RECOMMENDATIONS].append(record._replace(offset=record.offset + 2))
    assert said(log) == ["its trigger is from before its person's erasure, and it follows the null slate"]


async def test_a_slate_in_flight_leaves_without_what_was_withdrawn_and_not_at_all_after_an_erasure() -> None:
    catalogue = catalogue_of(*kitchen_and_garden(30))
    shared = SharedState(Settings(), catalogue)
    profile = after(watched("ana", "cook-00", minute(5)))
    slates = await home_feed(catalogue).recommend([Query("ana", 1, LATER, profile, 0)])

    async def as_it_was(_: Sequence[Query]) -> list[Slate]:
        return slates

    step = RankStep(Settings(), shared, as_it_was, {})

    async def left(value: bytes | None = pack(profile)) -> list[Any]:
        outcome = await step.apply([Record("freshet.profiles.v1", 0, 7, NOON, b"ana", value)])
        return [one for send in step.sends(outcome.answers) for one in send.records]

    async def shown() -> list[str]:
        return [item.video_id for one in await left() for item in decode_recommendation(one.value or b"").items]

    everything = await shown()
    assert everything == ids(slates[0])
    catalogue.apply([withdrawn(everything[0], LATER)])
    assert await shown() == everything[1:]
    shared.erasures.add("ana", minute(5) - 1, NOON)
    assert await shown() == everything[1:]  # it answers an event from after the erasure
    shared.erasures.add("ana", minute(5), NOON)
    assert await left() == []
    [null] = await left(None)
    assert (null.key, null.value) == (b"ana", None)
