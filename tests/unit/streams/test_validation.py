"""Validation: envelopes, headers and wrong partitions; tests/unit/streams/test_hostile_input.py has what it rejects."""

import json
from typing import NamedTuple

import pytest

from schemas.messages import feedback, videos
from schemas.messages.videos import Upload
from streams.dead_letters import validation
from streams.dead_letters.validation import ORIGIN, read_feedback, read_upload, read_uploads
from streams.kafka.records import partition_of
from tests.support.events import NOON, uploaded, watched

GOOD = feedback.encode(watched("ana", "v1", event_id="e1"))
NAMES = ("content-type", "ce_specversion", "ce_id", "ce_type", "freshet-origin", "x")


class Read(NamedTuple):
    """A record as a consumer gives it."""

    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    key: bytes | None = None
    topic: str = "freshet.feedback.v1"
    partition: int = 0
    offset: int = 7
    timestamp: int = NOON


@pytest.mark.parametrize("name", NAMES)
def test_a_header_without_a_value_is_as_good_as_none(name: str) -> None:
    validated = read_feedback([Read(GOOD, ((name, None),))], partitions=1)
    assert [arrival.event for arrival in validated.arrivals] == [watched("ana", "v1", event_id="e1")]


def test_an_event_may_have_unknown_fields_that_an_envelope_has_too() -> None:
    validated = read_feedback([Read(GOOD[:-1] + b',"specversion":"7"}')], partitions=1)
    assert not validated.dead_letters


@pytest.mark.parametrize("field", ["user_id", "video_id", "event_id"])
@pytest.mark.parametrize("sign", ["\x00", "\n", "\x7f", "\x85"])
def test_a_control_character_in_any_id_is_found_however_it_is_written(field: str, sign: str) -> None:
    event = {"kind": "like", "user_id": "ana", "video_id": "v1", "event_id": "e1", "at_ms": NOON} | {field: f"a{sign}"}
    values = [json.dumps(event).encode()]
    if sign > " ":  # JSON wants the others escaped
        values.append(json.dumps(event, ensure_ascii=False).encode())
    for value in values:
        (found,) = read_feedback([Read(value)], partitions=1).dead_letters
        assert (found.reason.value, found.detail) == ("schema", f"$.{field} holds a control character")


def test_ids_of_any_script_are_taken() -> None:
    event = watched("ána", "动物-🐈", event_id="e 1")
    (arrival,) = read_feedback([Read(feedback.encode(event), key="ána".encode())], partitions=1).arrivals
    assert arrival.event == event


def test_more_users_than_are_cached_have_the_right_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CACHED_USERS", 3)
    people = [f"u{number}" for number in range(40)]
    records = [Read(feedback.encode(watched(one, "v1")), partition=partition_of(one.encode(), 7)) for one in people * 2]
    validated = read_feedback(records, partitions=7)
    assert [arrival.event.user_id for arrival in validated.arrivals] == people * 2
    moved = [record._replace(partition=(record.partition + 1) % 7) for record in records]
    assert len(read_feedback(moved, partitions=7).misrouted) == len(moved)


def test_a_record_on_a_wrong_partition_is_rerouted_once() -> None:
    (again,) = read_feedback([Read(GOOD, partition=6)], partitions=1).misrouted
    moved = Read(again.value, tuple(again.headers), again.key, partition=6)
    validated = read_feedback([moved], partitions=1)
    assert [one.reason.value for one in validated.dead_letters] == ["key_mismatch"]


@pytest.mark.parametrize(
    ("origin", "rerouted_from"),
    [
        (b"freshet.feedback.v1/3/71", (3, 71)),
        (b"freshet.feedback.v1/0/0", (0, 0)),
        (b"freshet.feedback.v1/7/71", None),  # of seven partitions
        (b"other.feedback.v1/3/71", None),  # a copy of another cluster's record
        (b"freshet.feedback.v1/3/-1", None),
        (b"freshet.feedback.v1/3", None),
        (b"freshet.feedback.v1/3/71/9", None),
        (b"\xff\xfe", None),
        (b"e" * 300, None),
        (None, None),
    ],
)
def test_where_a_record_was_first_read_is_known_if_this_topic_says_so(
    origin: bytes | None, rerouted_from: tuple[int, int] | None
) -> None:
    at_home = partition_of(b"ana", 7)
    reading = read_feedback([Read(GOOD, headers=(("freshet-origin", origin),), partition=at_home)], partitions=7)
    assert [arrival.rerouted_from for arrival in reading.arrivals] == [rerouted_from]


def test_a_record_with_another_clusters_origin_is_sent_on_as_any_other() -> None:
    astray = Read(GOOD, headers=(("freshet-origin", b"other.feedback.v1/3/71"),), partition=6)
    (again,) = read_feedback([astray], partitions=1).misrouted
    assert dict(again.headers)["freshet-origin"] == b"freshet.feedback.v1/6/7"


def test_an_upload_is_read() -> None:
    value = b'{"kind":"upload","video_id":"v1","at_ms":%d,"title":"One"}' % NOON
    assert isinstance(read_upload(Read(value, key=b"v1")), Upload)


@pytest.mark.parametrize("key", [None, b"v1"], ids=["keyless", "keyed"])
def test_an_upload_on_a_wrong_partition_is_sent_on_once_with_its_videos_key(key: bytes | None) -> None:
    astray = Read(videos.encode(uploaded("v1", NOON)), key=key, partition=1 - partition_of(b"v1", 2))
    found = read_uploads([astray], partitions=2)
    assert (found.valid, found.dead_letters, len(found.misrouted)) == ([], [], 1)
    assert found.misrouted[0].key == b"v1"
    assert dict(found.misrouted[0].headers)[ORIGIN] == f"{astray.topic}/{astray.partition}/{astray.offset}".encode()
    (again,) = read_uploads([astray._replace(headers=found.misrouted[0].headers)], partitions=2).dead_letters
    assert again.reason == "key_mismatch"


def test_an_upload_on_its_videos_partition_counts_with_or_without_a_key() -> None:
    here = Read(videos.encode(uploaded("v1", NOON)), partition=partition_of(b"v1", 2))
    assert [len(read_uploads([here._replace(key=key)], 2).valid) for key in (None, b"v1")] == [1, 1]
