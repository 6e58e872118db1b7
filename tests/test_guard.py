"""The guard: envelopes, headers and wrong partitions; tests/test_bad_input.py has what it refuses."""

from typing import NamedTuple

import pytest

from schemas import events
from schemas.videos import Upload
from streams.guard import read_feedback, read_upload
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


def test_what_lies_on_a_wrong_partition_is_sent_on_once() -> None:
    (again,) = read_feedback([Read(GOOD, partition=6)], partitions=1).astray
    moved = Read(again.value, tuple(again.headers), again.key, partition=6)
    reading = read_feedback([moved], partitions=1)
    assert [letter.reason.value for letter in reading.letters] == ["key_mismatch"]


def test_an_upload_is_read() -> None:
    value = b'{"kind":"upload","video_id":"v1","at_ms":%d,"title":"One"}' % NOON
    assert isinstance(read_upload(Read(value, key=b"v1")), Upload)
