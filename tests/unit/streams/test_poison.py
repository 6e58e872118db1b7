"""What has to be sent on and does not fit, heads of batches, and headers that the client cannot show."""

import pytest

from schemas.messages import feedback
from schemas.messages.dead_letters import Reason
from schemas.topics import MAX_RECORD_BYTES
from streams.dead_letters.validation import ORIGIN, ORIGIN_MS, read_feedback
from streams.kafka.batch_head import head_of
from streams.kafka.client import RECORD_BYTES
from streams.kafka.records import Record, partition_of
from streams.ranking.step import profile_of
from tests.support import wire
from tests.support.events import NOON, watched


def misplaced(header_bytes: int) -> Record:
    """A sound event on a partition that is not its person's."""
    away = (partition_of(b"u1", 4) + 1) % 4
    return Record("t", away, 7, NOON, b"u1", feedback.encode(watched("u1", "v1")), [("x", bytes(header_bytes))])


def test_an_event_that_has_to_be_sent_on_and_does_not_fit_is_one_dead_letter() -> None:
    batch = read_feedback([misplaced(MAX_RECORD_BYTES - 200)], partitions=4)
    assert [(letter.reason, letter.offset) for letter in batch.dead_letters] == [(Reason.TOO_LARGE, 7)]
    assert batch.misrouted == []


def test_a_large_one_that_fits_is_sent_on_with_its_headers() -> None:
    (outgoing,) = read_feedback([misplaced(MAX_RECORD_BYTES - 2000)], partitions=4).misrouted
    assert [name for name, _ in outgoing.headers] == ["x", ORIGIN, ORIGIN_MS]
    raw = wire.Raw(outgoing.value, outgoing.key, [(n.encode(), v) for n, v in outgoing.headers])
    assert wire.HEAD.size + len(wire.records_of([raw])) <= outgoing.size() <= MAX_RECORD_BYTES


def test_the_topics_take_what_the_clients_may_send() -> None:
    assert RECORD_BYTES == MAX_RECORD_BYTES


def test_a_profile_under_a_key_that_is_nobodys_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 256 bytes"):
        profile_of(Record("profiles", 0, 0, NOON, b"u" * 300, None))


def test_the_head_of_a_batch_says_where_it_ends() -> None:
    data = wire.gzipped([wire.Raw(b"a"), wire.Raw(b"b"), wire.Raw(b"c")], NOON)
    assert head_of(data, end=100)[:4] == (0, 2, NOON, "gzip")


def test_a_damaged_head_hides_nothing_behind_the_end_and_goes_back_nowhere() -> None:
    far = wire.batch(b"junk", 1, at_ms=NOON, last_delta=2**31 - 1)
    back = wire.batch(b"junk", 1, at_ms=NOON, last_delta=-5)
    assert head_of(far, end=50).last == 49
    assert head_of(back, end=50).last == 0
