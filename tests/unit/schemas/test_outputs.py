"""Answers: slates, dead letters and their reasons."""

import json
import math

import msgspec
import pytest

from schemas.messages import recommendations
from schemas.messages.dead_letters import ATTEMPTS, LETTER_BYTES, DeadLetter, Reason, letter_headers
from schemas.messages.recommendations import Because, Item, Recommendation, Trigger, decode_recommendation
from tests.support.events import NOON

# As clients were told; these may never stop decoding.
SLATE_OF_THE_CONTRACT = b"""{"schema_version":"1.0","recommendation_id":"8f3b","user_id":"u42","version":1842,
 "generated_at_ms":1650812741210,"expires_at_ms":1650814541210,
 "trigger":{"event_id":"e-81723","topic":"freshet.feedback.v1","partition":3,"offset":991,"at_ms":1650812741000},
 "models":{"ranker":"a","encoder":"b","policy":"default@5"},
 "timings_ms":{"queued":4.1,"retrieve":2.3,"score":1.9,"select":0.4,"total":9.2},"degraded":[],
 "items":[{"rank":1,"video_id":"v9","score":0.8312,"p":{"finish":0.61,"like":0.12,"skip":0.08},"propensity":1.0,
 "sources":["near_recent","trending"],"reasons":[{"code":"similar_to","video_id":"v3","weight":0.41}]}],
 "exhausted":false}"""


def refusal(decode, data: bytes) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        decode(data)
    return str(refused.value)


def test_the_slate_of_the_contract_decodes_whole():
    slate = decode_recommendation(SLATE_OF_THE_CONTRACT)
    assert json.loads(recommendations.encode(slate)) == json.loads(SLATE_OF_THE_CONTRACT)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (b'"rank":1', b'"rank":0', "$.items[0].rank"),
        (b'"version":1842', b'"version":-1', "$.version"),
        (b'"propensity":1.0', b'"propensity":0.0', "$.items[0].propensity"),
        (b'"propensity":1.0', b'"propensity":1.1', "$.items[0].propensity"),
        (b'"finish":0.61', b'"finish":1.61', "$.items[0].p[...]"),
        (b'"score":0.8312', b'"score":null', "$.items[0].score"),
        (b'"partition":3', b'"partition":-1', "$.trigger.partition"),
    ],
)
def test_a_slate_outside_its_bounds_does_not_decode(old, new, place):
    assert old in SLATE_OF_THE_CONTRACT
    assert refusal(decode_recommendation, SLATE_OF_THE_CONTRACT.replace(old, new)).endswith(f"at `{place}`")


def test_an_empty_slate_does_not_decode():
    slate = json.loads(SLATE_OF_THE_CONTRACT)
    assert "$.items" in refusal(decode_recommendation, json.dumps({**slate, "items": []}).encode())


def test_a_score_that_is_no_number_does_not_survive_reading():
    slate = decode_recommendation(SLATE_OF_THE_CONTRACT)
    bad = msgspec.structs.replace(slate, items=[msgspec.structs.replace(slate.items[0], score=math.nan)])
    assert refusal(decode_recommendation, recommendations.encode(bad)).endswith("at `$.items[0].score`")


def test_a_reason_without_a_video_says_nothing_about_one():
    assert recommendations.encode(Because(code="fresh", weight=0.5)) == b'{"code":"fresh","weight":0.5}'


def test_a_slate_without_an_event_id_is_a_slate():
    slate = Recommendation(
        schema_version="1.0", recommendation_id="r", user_id="ana", version=1, generated_at_ms=NOON, expires_at_ms=NOON,
        trigger=Trigger(None, "feedback.v1", 0, 0, NOON), models={}, timings_ms={}, degraded=["profile"],
        items=[Item(1, "v1", 0.5, {}, 1.0, ["popular"], [])], exhausted=False,
    )  # fmt: skip
    assert decode_recommendation(recommendations.encode(slate)) == slate


def test_a_dead_letter_says_why_and_where_in_its_headers():
    letter = DeadLetter(
        reason=Reason.RANGE, detail="é" * 2_000, topic="freshet.feedback.v1", partition=3, offset=991, at_ms=NOON,
        key=b"u42", value=b"{}", headers=[(ATTEMPTS, b"2")],
    )  # fmt: skip
    headers = dict(letter_headers(letter, "0.1.0"))
    assert headers.pop("detail").decode() == "é" * 1_000
    assert headers == {
        "reason": b"range", "topic": b"freshet.feedback.v1", "partition": b"3", "offset": b"991",
        "at_ms": str(NOON).encode(), "attempts": b"2", "freshet_version": b"0.1.0",
    }  # fmt: skip


def test_the_reasons_are_the_closed_list_of_the_contract():
    told = "decode schema range timestamp late too_large key_mismatch schema_version media url_forbidden"
    assert {reason.value for reason in Reason} == {*told.split(), "erased", "internal"}
    assert LETTER_BYTES == 64 * 1024
