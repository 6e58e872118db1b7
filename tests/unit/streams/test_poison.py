"""What has to be sent on and does not fit, heads of batches, and headers that the client cannot show."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from schemas.messages import feedback
from schemas.messages.dead_letters import Reason
from schemas.settings.model import Settings
from schemas.topics import MAX_RECORD_BYTES
from streams.dead_letters.publisher import of_batch
from streams.dead_letters.validation import ORIGIN, ORIGIN_MS, read_feedback
from streams.kafka import records, unreadable
from streams.kafka.batch_head import head_of
from streams.kafka.records import Record, partition_of, records_of
from streams.ranking.step import profile_of
from tests.support import wire
from tests.support.events import NOON, liked, watched


def misplaced(header_bytes: int) -> Record:
    """A sound event on a partition that is not its person's."""
    away = (partition_of(b"u1", 4) + 1) % 4
    return Record("t", away, 7, NOON, b"u1", feedback.encode(watched("u1", "v1")), [("x", bytes(header_bytes))])


def with_headers_of(total_bytes: int) -> int:
    """How long the header of the misplaced event has to be, so that key, value and headers are so long together."""
    return total_bytes - len(b"u1") - len(feedback.encode(watched("u1", "v1"))) - len("x")


@pytest.mark.parametrize("header_bytes", [MAX_RECORD_BYTES - 200, with_headers_of(MAX_RECORD_BYTES - 185)])
def test_an_event_that_has_to_be_sent_on_and_does_not_fit_is_one_dead_letter(header_bytes: int) -> None:
    batch = read_feedback([misplaced(header_bytes)], partitions=4)
    assert [(letter.reason, letter.offset) for letter in batch.dead_letters] == [(Reason.TOO_LARGE, 7)]
    assert batch.misrouted == []


def test_a_large_one_that_fits_is_sent_on_with_its_headers() -> None:
    (outgoing,) = read_feedback([misplaced(MAX_RECORD_BYTES - 2000)], partitions=4).misrouted
    assert [name for name, _ in outgoing.headers] == ["x", ORIGIN, ORIGIN_MS]
    raw = wire.Raw(outgoing.value, outgoing.key, [(n.encode(), v) for n, v in outgoing.headers])
    assert wire.HEAD.size + len(wire.records_of([raw])) <= outgoing.size() <= MAX_RECORD_BYTES


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


class Latin(Message):
    """A message whose header has a name that is not UTF-8: the client raises for it, as it does for real ones."""

    def headers(self) -> Any:
        if self.offset() == 1:
            raise SystemError("<method 'headers' of 'cimpl.Message' objects> returned NULL")
        return super().headers()


def test_a_good_like_counts_although_the_name_of_one_of_its_headers_is_not_utf_8(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "ClientMessage", Latin)
    likes = [liked("u1", f"v{offset}") for offset in range(3)]
    messages: list[Any] = [
        Latin("f.feedback.v1", 0, offset, b"u1", feedback.encode(one), [("trace", b"7")], None, (1, NOON))
        for offset, one in enumerate(likes)
    ]
    found = records_of(messages)
    assert [one.headers for one in found] == [[("trace", b"7")], (), [("trace", b"7")]]
    batch = read_feedback(found, partitions=1)
    assert ([arrival.event for arrival in batch.arrivals], batch.dead_letters) == (likes, [])


class Seeking:
    """A client that is told where to read on."""

    def seek(self, place: TopicPartition) -> None:
        self.place = place


def test_a_batch_that_the_client_refuses_is_one_dead_letter_that_names_its_place_its_offsets_and_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = wire.gzipped([wire.Raw(b"a"), wire.Raw(b"b"), wire.Raw(b"c")], NOON)
    monkeypatch.setattr(unreadable, "batch_head", lambda *_: head_of(data, end=100))
    refused: Any = Message("f.feedback.v1", 2, 0, error=KafkaError(KafkaError._BAD_COMPRESSION, "too large"))
    client = Seeking()
    (batch,) = unreadable.pass_over(Settings(), client, [refused, refused])
    letter = of_batch(batch)
    assert (client.place.topic, client.place.partition, client.place.offset) == ("f.feedback.v1", 2, 3)
    assert (letter.topic, letter.partition, letter.offset, letter.reason) == ("f.feedback.v1", 2, 0, Reason.DECODE)
    assert letter.detail.startswith(f"offsets 0 to 2, a batch of {len(data)} bytes, compression gzip, ")
    assert letter.detail.endswith("that Kafka's client cannot read: too large")
