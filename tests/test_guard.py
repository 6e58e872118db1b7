"""The guard: whatever a record holds, reading it ends with a message or a reason."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events
from schemas.videos import Upload
from streams.guard import read_feedback, read_upload
from tests.hostile import RECORDS
from tests.stories import NOON, watched

GOOD = events.encode(watched("ana", "v1", event_id="e1"))
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
    reading = read_feedback([Read(GOOD, ((name, None),))], partitions=1)
    assert [arrival.event for arrival in reading.arrivals] == [watched("ana", "v1", event_id="e1")]


def test_an_event_may_have_unknown_fields_that_an_envelope_has_too() -> None:
    reading = read_feedback([Read(GOOD[:-1] + b',"specversion":"7"}')], partitions=1)
    assert not reading.letters


def test_each_hostile_record_has_its_reason() -> None:
    for hostile in RECORDS[:200]:
        record = Read(hostile.value, key=(hostile.key or "").encode(), timestamp=NOON)
        (found,) = read_feedback([record], partitions=1).letters
        assert found.reason.value == hostile.reason, hostile.value


def test_what_lies_on_a_wrong_partition_is_sent_on_once() -> None:
    (again,) = read_feedback([Read(GOOD, partition=6)], partitions=1).astray
    moved = Read(again.value, tuple(again.headers), again.key, partition=6)
    reading = read_feedback([moved], partitions=1)
    assert [letter.reason.value for letter in reading.letters] == ["key_mismatch"]


@given(
    st.one_of(
        st.none(), st.binary(max_size=300), st.binary(max_size=40).map(lambda junk: GOOD[: len(GOOD) // 2] + junk)
    ),
    st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.none(), st.binary(max_size=20))), max_size=4),
    st.one_of(st.none(), st.binary(max_size=20)),
)
def test_no_record_stops_the_reader(value: bytes | None, headers: list[Any], key: bytes | None) -> None:
    record = Read(value, tuple(headers), key)
    reading = read_feedback([record], partitions=1)
    assert len(reading.arrivals) + len(reading.letters) + len(reading.astray) == 1
    assert read_upload(record) is not None


def test_an_upload_is_read() -> None:
    value = b'{"kind":"upload","video_id":"v1","at_ms":%d,"title":"One"}' % NOON
    assert isinstance(read_upload(Read(value, key=b"v1")), Upload)
