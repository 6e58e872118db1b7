"""Feedback: what decodes, what does not, and with which sentence."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import feedback
from schemas.messages.erasures import Erasure, decode_erasure
from schemas.messages.fields import DAY_MS, YEAR_2000_MS, YEAR_2100_MS, why_not_an_id
from tests.support.events import NOON

LIKE = {"kind": "like", "user_id": "ana", "video_id": "v1", "at_ms": NOON}
NEEDS = {
    "watch": {"watched_ms": 18_250},
    "rate": {"value": 0.5},
    "impression": {"recommendation_id": "r-1", "ranks": [3, 4]},
    "search": {"query": "cats"},
}
# As clients were told; these may never stop decoding.
KINDS = {"watch", "like", "skip", "impression", "share", "comment", "save", "follow", "rate", "hide", "search"}
WATCH_OF_THE_CONTRACT = b"""{"kind":"watch","event_id":"e-81723","user_id":"u42","video_id":"v7","at_ms":1650812741000,
 "watched_ms":18250,"duration_ms":21000,"recommendation_id":"r","rank":3,
 "session_id":"s9","surface":"feed","country":"DE","utc_offset_min":120,"domain":"video"}"""


def message(base, **change):
    """A message with some fields changed; a field that is `...` is left out."""
    return json.dumps({name: value for name, value in {**base, **change}.items() if value is not ...}).encode()


def of_kind(kind, **more):
    return message({**LIKE, "kind": kind, **NEEDS.get(kind, {})}, **more)


def holds(decoded, data: bytes) -> bool:
    """Say whether every field of a message was read."""
    fields = json.loads(data)
    return fields.pop("kind") == decoded.__struct_config__.tag and all(
        getattr(decoded, name) == value for name, value in fields.items()
    )


def refusal(decode, data: bytes) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        decode(data)
    return str(refused.value)


def test_the_kinds_are_those_of_the_union():
    assert {*feedback.KIND_OF.values()} == KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_decodes_and_is_written_as_it_was(kind):
    event = feedback.decode(of_kind(kind))
    assert event.__struct_config__.tag == kind
    assert feedback.decode(feedback.encode(event)) == event
    assert json.loads(feedback.encode(event))["kind"] == kind


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_fields_that_readers_do_not_know_are_ignored(kind):
    assert feedback.decode(of_kind(kind, mood={"deep": [1, None]})) == feedback.decode(of_kind(kind))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("field", ["user_id", "video_id", "at_ms"])
def test_what_every_event_needs_is_asked_for_by_name(kind, field):
    if (kind, field) == ("search", "video_id"):
        assert feedback.decode(of_kind(kind)).video_id == ""  # whatever the message says
    else:
        assert refusal(feedback.decode, of_kind(kind, **{field: ...})) == f"Object missing required field `{field}`"


@pytest.mark.parametrize(
    ("kind", "field"),
    [("watch", "watched_ms"), ("rate", "value"), ("impression", "recommendation_id"), ("search", "query")],
)
def test_what_a_kind_needs_is_asked_for_by_name(kind, field):
    assert field in refusal(feedback.decode, of_kind(kind, **{field: ...}))


def test_all_kinds_take_the_same_context():
    context = {
        "event_id": "e", "recommendation_id": "r", "rank": 3, "session_id": "s", "surface": "feed", "country": "DE",
        "utc_offset_min": 120, "domain": "video", "duration_ms": 21_000,
    }  # fmt: skip
    for kind in sorted(KINDS):
        event = feedback.decode(of_kind(kind, **context))
        assert {name: getattr(event, name) for name in context} == context


def test_the_kind_may_stand_anywhere_in_the_object():
    assert feedback.decode(b'{"user_id":"ana","video_id":"v1","at_ms":1650000000000,"kind":"like"}').user_id == "ana"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "superlike"}, "$.kind"),
        ({"kind": None}, "$.kind"),
        ({"kind": "Like"}, "$.kind"),
        ({"user_id": ""}, "$.user_id"),
        ({"user_id": 42}, "$.user_id"),
        ({"user_id": "a" * 257}, "$.user_id"),
        ({"video_id": None}, "$.video_id"),
        ({"at_ms": "1650000000000"}, "$.at_ms"),
        ({"at_ms": 1650000000000.5}, "$.at_ms"),
        ({"at_ms": True}, "$.at_ms"),
        ({"rank": 0}, "$.rank"),
        ({"rank": 10_001}, "$.rank"),
        ({"utc_offset_min": 901}, "$.utc_offset_min"),
        ({"duration_ms": -1}, "$.duration_ms"),
        ({"duration_ms": DAY_MS + 1}, "$.duration_ms"),
        ({"kind": "watch", "watched_ms": -1}, "$.watched_ms"),
        ({"kind": "watch", "watched_ms": DAY_MS + 1}, "$.watched_ms"),
        ({"kind": "rate", "value": 1.01}, "$.value"),
        ({"kind": "rate", "value": -0.01}, "$.value"),
        ({"kind": "hide", "scope": "everything"}, "$.scope"),
        ({"kind": "impression", "recommendation_id": "r", "ranks": [1, 0]}, "$.ranks[1]"),
        ({"kind": "search", "query": ""}, "$.query"),
        ({"kind": "search", "query": "x" * 1001}, "$.query"),
    ],
)
def test_a_wrong_field_is_named(change, place):
    assert refusal(feedback.decode, message(LIKE, **change)).endswith(f"at `{place}`")


@pytest.mark.parametrize("at_ms", [NOON // 1000, NOON * 1000, 0, -NOON, YEAR_2000_MS - 1, YEAR_2100_MS + 1, 10**30])
def test_seconds_microseconds_and_other_centuries_are_no_milliseconds(at_ms):
    assert refusal(feedback.decode, message(LIKE, at_ms=at_ms)).endswith("at `$.at_ms`")


@pytest.mark.parametrize("at_ms", [YEAR_2000_MS, YEAR_2100_MS])
def test_the_first_and_the_last_millisecond_are_taken(at_ms):
    assert feedback.decode(message(LIKE, at_ms=at_ms)).at_ms == at_ms


def test_a_video_may_be_watched_for_longer_than_it_is():
    event = feedback.decode(of_kind("watch", watched_ms=60_000, duration_ms=6_000))
    assert isinstance(event, feedback.Watch)
    assert (event.watched_ms, event.duration_ms) == (60_000, 6_000)


def test_a_skip_may_carry_how_long_it_was_watched():
    assert feedback.decode(of_kind("skip", watched_ms=900)) != feedback.decode(of_kind("skip"))


def test_a_hide_is_about_the_video_unless_it_says_otherwise():
    assert [feedback.decode(of_kind("hide", scope=scope)).scope for scope in (..., "creator", "tag")] == [
        "video",
        "creator",
        "tag",
    ]


def test_the_watch_of_the_contract_decodes_whole():
    event = feedback.decode(WATCH_OF_THE_CONTRACT)
    assert holds(event, WATCH_OF_THE_CONTRACT)
    assert feedback.decode(feedback.encode(event)) == event


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"null", b"[]", b'"like"', b"{", b'{"kind":"like"', b"\xef\xbb\xbf" + message(LIKE), b"\0\0\0\0\1{}",
        message(LIKE) + b"x", message(LIKE).replace(b"ana", b"\xff"), message(LIKE).replace(b"ana", b"\xed\xa0\x80"),
        message(LIKE).replace(b'"ana"', b'"\\ud800"'), b"[" * 100_000, message(LIKE)[:-1] + b',"x":' + b"[" * 100_000,
        of_kind("rate").replace(b"0.5", b"NaN"), of_kind("rate").replace(b"0.5", b"Infinity"),
        of_kind("rate").replace(b"0.5", b"1e999"), message(LIKE)[:-1] + b',"at_ms":1}', b"\x80\x04K\x01.",
    ],
)  # fmt: skip
def test_hostile_bytes_raise_one_of_three_errors(data):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        feedback.decode(data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_one_of_three_errors(data):
    try:
        event = feedback.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    assert event.user_id


def test_an_erasure_names_a_person_and_a_time():
    assert decode_erasure(message(LIKE)) == Erasure(user_id="ana", at_ms=NOON)
    assert "user_id" in refusal(decode_erasure, message(LIKE, user_id=...))


# Ids


@pytest.mark.parametrize("value", ["u42", "動物-🐈", "a b", "é" * 128, "../../etc/passwd", "x" * 256])
def test_an_id_may_be_any_text_of_256_bytes(value):
    assert why_not_an_id("user_id", value) is None


@pytest.mark.parametrize("value", ["a\0", "a\nb", "\x7f", "a\x85", "\ud800"])
def test_an_id_holds_no_control_characters(value):
    assert why_not_an_id("video_id", value) == "$.video_id holds a control character"


def test_an_id_is_measured_in_bytes_of_utf8():
    assert why_not_an_id("user_id", "é" * 129) == "$.user_id is longer than 256 bytes"


def test_a_null_says_as_little_as_a_missing_field() -> None:
    """Clients in other languages write every field that they know, with null for what they do not."""
    from schemas.messages import feedback, videos

    hide = {"kind": "hide", "user_id": "ana", "video_id": "v1", "at_ms": 1_650_000_000_000}
    optional = ("scope", "domain", "event_id", "rank", "surface", "session_id", "country", "utc_offset_min")
    with_nulls = hide | dict.fromkeys(optional)
    assert feedback.decode(msgspec.json.encode(with_nulls)).user_id == "ana"
    upload = {"kind": "upload", "video_id": "v1", "at_ms": 1_650_000_000_000, "title": "One"}
    nothing = dict.fromkeys(("tags", "description", "category", "language", "duration_ms", "music_id", "thumbnail_uri"))
    decoded = videos.decode(msgspec.json.encode(upload | nothing))
    assert isinstance(decoded, videos.Upload)
    assert decoded.tags is None
