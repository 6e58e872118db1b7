"""Bad input: whatever is sent becomes one dead letter with its reason, and its neighbours do not notice."""

import pytest

from schemas.messages import feedback
from schemas.messages.dead_letters import LETTER_BYTES, DeadLetter, Reason, letter_headers
from schemas.messages.fields import DAY_MS
from streams.dead_letters.publisher import to_record
from streams.dead_letters.validation import late_dead_letters, read_feedback, read_upload
from streams.kafka.records import Record
from tests.support import hostile_records
from tests.support.events import NOON, fold_all, liked, minute, watched
from tests.support.hostile_records import Hostile

HUGE = Hostile("10 MB", "too_large", hostile_records.HUGE)
CASES = [hostile_records.NULL, hostile_records.AHEAD, HUGE, *hostile_records.FEEDBACK, *hostile_records.WITH_HEADERS]


def record(one: Hostile, offset: int = 7, topic: str = "f.feedback.v1") -> Record:
    key = None if one.key is None else one.key.encode()
    return Record(topic, 0, offset, NOON, key, one.value, one.headers)


def good(event: feedback.Feedback, offset: int) -> Record:
    return Record("f.feedback.v1", 0, offset, NOON, event.user_id.encode(), feedback.encode(event), ())


def a_letter_fits(letter: DeadLetter, one: Record) -> None:
    """A letter says where its record lay and why, and carries no more than it may."""
    assert (letter.topic, letter.partition, letter.offset) == (one.topic, one.partition, one.offset)
    assert letter.detail and "\n" not in letter.detail
    assert len(to_record(letter).value or b"") <= LETTER_BYTES
    assert sum(len(name) + len(value) for name, value in letter_headers(letter, "0")) < 10_000


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_a_bad_event_becomes_one_dead_letter_between_two_good_ones(one: Hostile) -> None:
    before, after = watched("mallory", "v1", event_id="e-1"), liked("mallory", "v2", event_id="e-2")
    bad = record(one)
    validated = read_feedback([good(before, 6), bad, good(after, 8)], partitions=1)
    (letter,) = validated.dead_letters
    assert letter.reason == one.reason
    a_letter_fits(letter, bad)
    folded = fold_all({}, validated.arrivals, DAY_MS)
    assert [arrival.event for arrival in validated.arrivals] == [before, after]
    assert folded.changed["mallory"].applied == {0: 8}
    assert not validated.misrouted


@pytest.mark.parametrize("one", [*hostile_records.UPLOADS, hostile_records.AHEAD_UPLOAD], ids=lambda one: one.name)
def test_a_bad_upload_becomes_one_dead_letter(one: Hostile) -> None:
    bad = record(one, topic="f.uploads.v1")
    letter = read_upload(bad)
    assert isinstance(letter, DeadLetter)
    assert letter.reason == one.reason
    a_letter_fits(letter, bad)


def test_what_is_older_than_the_persons_newest_by_more_than_the_bound_is_late() -> None:
    events_ = [watched("ana", "v1", minute(100)), watched("ana", "v2", minute(0)), watched("ben", "v1", minute(0))]
    records = [replaced._replace(timestamp=minute(100)) for replaced in map(good, events_, range(3))]
    folded = fold_all({}, read_feedback(records, partitions=1).arrivals, late_ms=60 * 60_000)
    (letter,) = late_dead_letters(records, folded.late, late_ms=0)
    assert (letter.reason, letter.offset) == (Reason.LATE, 1)
    assert set(folded.changed) == {"ana", "ben"}


def test_an_event_about_a_video_that_nobody_knows_is_taken_in() -> None:
    validated = read_feedback([good(liked("ana", "not uploaded yet"), 0)], partitions=1)
    assert fold_all({}, validated.arrivals, DAY_MS).changed["ana"].likes[0].video_id == "not uploaded yet"


def test_no_dead_letter_says_that_nobody_knows_a_video() -> None:
    assert "unknown_video" not in {reason.value for reason in Reason}


@pytest.mark.parametrize(
    "value",
    [
        b'{"kind":"like","kind":"like","user_id":"ben","user_id":"ana","video_id":"v","at_ms":%d}' % NOON,
        b'{"kind":"like","user_id":"ana","video_id":"v","at_ms":%d,"mood":{"deep":[1,null]},"n":1e999}' % NOON,
        b' \n{"kind":"like","user_id":"ana","video_id":"v","at_ms":%d}\t' % NOON,
    ],
    ids=["the last of two keys counts", "unknown fields are passed over", "white space around"],
)
def test_what_is_odd_but_allowed_is_taken_in(value: bytes) -> None:
    validated = read_feedback([Record("f.feedback.v1", 0, 0, NOON, None, value, ())], partitions=1)
    assert [arrival.event.user_id for arrival in validated.arrivals] == ["ana"]


@pytest.mark.parametrize("headers", [(("x", b"y"),) * 10_000, (("ce_id", None), ("content-type", None))])
def test_headers_that_say_nothing_are_passed_over(headers: hostile_records.Headers) -> None:
    event = liked("ana", "v")
    validated = read_feedback([good(event, 0)._replace(headers=headers)], partitions=1)
    assert [arrival.event for arrival in validated.arrivals] == [event]


LONG = b"e" * 300


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (feedback.encode(liked("ana", "v")), (*hostile_records.CLOUD, ("ce_id", LONG))),
        (b'{"specversion":"1.0","id":"%b","type":"a","data":%b}' % (LONG, feedback.encode(liked("ana", "v"))), ()),
    ],
    ids=["binary cloud event", "structured cloud event"],
)
def test_an_event_id_that_does_not_come_from_the_event_is_no_longer_than_one_that_does(
    value: bytes, headers: hostile_records.Headers
) -> None:
    reading = read_feedback([Record("f.feedback.v1", 0, 0, NOON, b"ana", value, headers)], partitions=1)
    assert [letter.reason for letter in reading.dead_letters] == [Reason.SCHEMA]
