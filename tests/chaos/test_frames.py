"""Kafka's frames in the proxy: what the chaos scenarios change is changed, and nothing else."""

import struct

import pytest

from tests.chaos.frames import Conversation, Frames

OLD = struct.pack(">ii", 7, 0), struct.pack(">i", 2), struct.pack(">ih4sih", 1, 4, b"host", 9092, -1) * 2
COMPACT = struct.pack(">ibi", 7, 0, 0), b"\x03", struct.pack(">ib4sibb", 1, 5, b"host", 9092, 0, 0) * 2
REST = b"cluster, controller, topics"


def framed(*parts: bytes) -> bytes:
    return struct.pack(">i", len(b"".join(parts))) + b"".join(parts)


def request(key: int, version: int = 5, correlation: int = 7) -> bytes:
    return framed(struct.pack(">hhi", key, version, correlation))


def test_frames_are_put_together_however_they_arrive() -> None:
    frames, stream = Frames(), framed(b"one") + framed(b"") + framed(b"three")
    found = [frame for at in range(len(stream)) for frame in frames.take(stream[at : at + 1])]
    assert found == [framed(b"one"), framed(b""), framed(b"three")]
    assert list(Frames().take(stream)) == found


@pytest.mark.parametrize(("version", "answer", "none"), [(5, OLD, b"\0\0\0\0"), (12, COMPACT, b"\1")])
def test_an_answer_about_metadata_lists_no_broker(version: int, answer: tuple[bytes, ...], none: bytes) -> None:
    head, count, brokers = answer
    talk = Conversation(lambda: "brokerless")
    assert talk.requested(request(3, version)) == request(3, version)
    assert talk.answered(framed(head, count, brokers, REST)) == framed(head, none, REST)


@pytest.mark.parametrize("fault", ["pass", "no_join"])
def test_it_is_left_as_it_is_under_another_fault(fault: str) -> None:
    talk = Conversation(lambda: fault)
    talk.requested(request(3))
    assert talk.answered(framed(*OLD, REST)) == framed(*OLD, REST)


def test_other_answers_are_left_as_they_are() -> None:
    talk = Conversation(lambda: "brokerless")
    talk.requested(request(1))
    assert talk.answered(framed(*OLD)) == framed(*OLD)


def test_a_request_to_join_a_group_is_lost_and_no_other() -> None:
    talk = Conversation(lambda: "no_join")
    assert talk.requested(request(11)) == b""
    assert talk.requested(request(12)) == request(12)
    assert Conversation(lambda: "pass").requested(request(11)) == request(11)
