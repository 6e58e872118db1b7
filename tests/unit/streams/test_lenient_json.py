"""JSON as some clients write it: what is taken in all the same, and what a dead letter says of the rest."""

import json
from base64 import b64encode
from typing import Any

import pytest

from schemas.messages import feedback, videos
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.feedback import Feedback
from schemas.messages.videos import Upload
from streams.dead_letters.validation import read_feedback, read_upload
from streams.kafka.records import Headers, Record
from streams.logs.jsonl import topic_of
from streams.profiles.erasure import read_erasures
from tests.support.events import NOON, liked, uploaded, watched

WATCH: dict[str, Any] = {"kind": "watch", "user_id": "ana", "video_id": "v1", "at_ms": NOON, "watched_ms": 18_250}
EVENT = feedback.decode(json.dumps(WATCH).encode())
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
ENVELOPE = {"specversion": "1.0", "id": "e-1", "source": "/app", "type": "com.example.watch.v1"}


def record(value: bytes, key: bytes | None = None, headers: Headers = ()) -> Record:
    return Record("f.feedback.v1", 0, 7, NOON, key, value, headers)


def event_of(value: bytes, headers: Headers = ()) -> Feedback:
    (arrival,) = read_feedback([record(value, None, headers)], 1).arrivals
    return arrival.event


def refusal(value: bytes, key: bytes | None = None, headers: Headers = ()) -> tuple[str, str]:
    (letter,) = read_feedback([record(value, key, headers)], 1).dead_letters
    return letter.reason.value, letter.detail


def upload_of(value: bytes) -> Upload:
    found = read_upload(record(value))
    assert isinstance(found, Upload), found
    return found


def spelled(**changes: str) -> bytes:
    """The watch with fields written as given."""
    fields = {name: json.dumps(value) for name, value in WATCH.items()} | changes
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


# --- taken in ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        spelled(at_ms="1.65E12", watched_ms="18250.0"),
        spelled(at_ms="1650000000000.0"),
        spelled(watched_ms="1825e1", at_ms="1.65e+12"),
        spelled(at_ms="1.65E12", unknown="9" * 5000),
        spelled(at_ms="1.65E12", unknown="-1e999"),
        b"\xef\xbb\xbf" + spelled(),
        spelled() + b"\x00",
        spelled() + b"\n\x00\x00",
        spelled(event_id='""', recommendation_id='""'),
        spelled(unknown='"\\udc00"'),
        spelled(**{"x\\ud800": "1"}),
    ],
)
def test_an_event_is_taken_in_however_its_client_writes_json(value: bytes) -> None:
    assert event_of(value) == EVENT


def test_whole_numbers_in_lists_and_of_erasures_and_uploads_may_have_a_point_too() -> None:
    shown = (
        b'{"kind":"impression","user_id":"a","video_id":"v","at_ms":1.65E12,"recommendation_id":"r","ranks":[1.0,2.0]}'
    )
    event = event_of(shown)
    assert isinstance(event, feedback.Impression) and event.ranks == [1, 2]
    (erasure,) = read_erasures([record(b'{"user_id":"ana","at_ms":1.65E12}')], 1).erasures
    assert erasure.at_ms == NOON
    assert (
        upload_of(b'{"kind":"upload","video_id":"v1","at_ms":1.65E12,"title":"a","duration_ms":6e3}').duration_ms
        == 6000
    )


@pytest.mark.parametrize(
    ("title", "stored"),
    [
        (r"Cooking \ud83c", "Cooking \ufffd"),
        (r"\udf55 pizza", "\ufffd pizza"),
        (r"\ud83cABCDEFGH", "\ufffdABCDEFGH"),
        (r"\ud83c\ud83c\udf55", "\ufffd\U0001f355"),
    ],
)
def test_half_of_a_surrogate_pair_becomes_the_replacement_character(title: str, stored: str) -> None:
    upload = upload_of(
        b'{"kind":"upload","video_id":"v1","at_ms":%d,"title":"%s","tags":["%s"]}' % (NOON, *2 * (title.encode(),))
    )
    assert (upload.title, upload.tags) == (stored, [stored])
    assert videos.decode(videos.encode(upload)) == upload


def test_blank_tags_are_dropped_and_say_nothing() -> None:
    assert upload_of(videos.encode(uploaded("v1", tags=["", "food", " ", "\t"]))).tags == ["food"]
    found = read_upload(record(b'{"kind":"upload","video_id":"v1","at_ms":%d,"tags":[""," "]}' % NOON))
    assert isinstance(found, DeadLetter) and found.reason == "schema"


def test_the_last_of_two_keys_counts_here_too() -> None:
    assert event_of(spelled(at_ms='1,"at_ms":1.65E12')) == EVENT


def test_a_log_knows_the_topic_of_a_line_that_only_the_lenient_reader_reads() -> None:
    assert topic_of(b'{"kind":"upload","video_id":"v1","at_ms":1.65E12,"title":"\\ud83c"}').name == "uploads.v1"
    assert topic_of(b'\xef\xbb\xbf{"kind":"erasure","user_id":"ana","at_ms":1.65E12}').name == "erasures.v1"


# --- CloudEvents ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        ({"data_base64": b64encode(spelled()).decode()}, ()),
        ({"data_base64": b64encode(spelled(at_ms="1.65E12")).decode()}, STRUCTURED),
        ({"data": spelled().decode()}, ()),
        ({"data": WATCH | {"at_ms": float(NOON)}, "time": "2022-04-15T05:20:00Z"}, STRUCTURED),
    ],
    ids=["base64", "base64 by header", "text", "floats"],
)
def test_a_cloud_event_is_read_however_its_data_is_written(data: dict[str, Any], headers: Headers) -> None:
    event = event_of(json.dumps(ENVELOPE | data).encode(), headers)
    assert event == watched("ana", "v1", watched_ms=18_250, duration_ms=None, event_id="e-1")


def test_a_binary_cloud_event_may_have_its_whole_numbers_with_a_point() -> None:
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_type", b"watch"))
    assert event_of(spelled(at_ms="1.65E12"), headers).event_id == "e-1"


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ([ENVELOPE | {"data": WATCH}], ()),
        (ENVELOPE | {"data_base64": "%%"}, ()),
        (ENVELOPE | {"data_base64": 7}, ()),
        (ENVELOPE | {"data": "watched"}, ()),
        ({"specversion": "1.0", "type": "x", "data": {}}, ()),
        (WATCH, STRUCTURED),
    ],
    ids=["a batch", "no base64", "a number for base64", "words", "no id", "no envelope"],
)
def test_what_is_wrong_with_a_cloud_event_is_said_of_the_envelope(value: Any, headers: Headers) -> None:
    reason, detail = refusal(json.dumps(value).encode(), headers=headers)
    assert reason == "schema" and "CloudEvents" in detail


# --- said what it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason", "said"),
    [
        (spelled(watched_ms="18250.5"), "schema", "$.watched_ms`; send a whole number, in JavaScript by Math.round"),
        (spelled(watched_ms='"18250"'), "schema", "without quotes"),
        (spelled(watched_ms="1e300"), "range", "$.watched_ms"),
        (spelled(at_ms="1.65e15"), "timestamp", "$.at_ms"),
        (spelled(watched_ms="9" * 5000), "range", "$.watched_ms"),
        (spelled(at_ms="1e999"), "timestamp", "$.at_ms"),
        (spelled(watched_ms="-1e999"), "range", "$.watched_ms"),
        (spelled(unknown="[" * 3000 + "]" * 3000), "decode", "nested more deeply than is read"),
        (spelled(at_ms="1650000000"), "timestamp", "$.at_ms`; send Unix time in milliseconds, not in seconds"),
        (spelled(at_ms="1650000000000000"), "timestamp", "$.at_ms`; send Unix time in milliseconds, not in micro- or"),
        (spelled(at_ms='"2022-04-15T05:20:00Z"'), "schema", "send Unix time in milliseconds as a number"),
        (spelled(duration_ms="NaN"), "decode", "NaN is no JSON; leave the field out"),
        (spelled(duration_ms="-Infinity"), "decode", "-Infinity is no JSON"),
        (spelled().decode().encode("utf-16"), "decode", "UTF-16"),
        (spelled().decode().encode("utf-16-be"), "decode", "UTF-16"),
        (spelled().decode().encode("utf-16-le"), "decode", "UTF-16"),
        (b'{"user_id":"caf\xe9","kind":"like"}', "decode", "byte 15 of it, 0xe9, is no UTF-8"),
        (b'{"kind":"like","user_id":"\xed\xa0\xbc"}', "decode", "0xed, is no UTF-8; this topic carries JSON in UTF-8"),
        (spelled()[:-1] + b",}", "decode", "malformed"),
        (b"\x00\x00\x00\x00\x07" + spelled(), "schema_version", "KafkaAvroSerializer"),
        (json.dumps({"schema": {}, "payload": WATCH}).encode(), "schema", "value.converter.schemas.enable=false"),
        (json.dumps(spelled().decode()).encode(), "schema", "org.apache.kafka.connect.storage.StringConverter"),
        (spelled(user_id='"a\\ud800"'), "schema", "$.user_id holds half of a surrogate pair"),
        (spelled(user_id='""'), "schema", "$.user_id"),
        (spelled(kind='"impression"', recommendation_id='""'), "schema", "recommendation_id"),
    ],
)  # fmt: skip
def test_a_dead_letter_says_what_to_do(value: bytes, reason: str, said: str) -> None:
    found, detail = refusal(value)
    assert found == reason and said in detail, detail


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (b'"ana"', "in JSON quotes; set key.converter=org.apache.kafka.connect.storage.StringConverter"),
        (
            b'{"schema":{"type":"string"},"payload":"ana"}',
            "Kafka Connect's envelope of schema and payload; set key.conv",
        ),
        (b"\x00\x00\x00\x00\x07\x06ana", "a schema registry's wire format; set key.serializer"),
        (b"ben", "the record's key is not its $.user_id"),
        (b"[" * 5000, "the record's key is not its $.user_id"),
    ],
)
def test_a_dead_letter_names_what_wrapped_the_key(key: bytes, said: str) -> None:
    reason, detail = refusal(feedback.encode(liked("ana", "v1")), key)
    assert reason == "key_mismatch" and said in detail
