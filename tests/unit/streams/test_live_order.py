"""The order of a recording: each person's events as they counted, and everything once."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from schemas.messages import erasures, feedback, videos
from schemas.messages.erasures import Erasure
from streams.errors import OperatorError
from streams.kafka.records import Record, partition_of
from streams.logs.erasure_places import TookEffectByCode
from streams.logs.live_order import LiveOrder
from streams.logs.pending_erasures import TookEffect
from streams.logs.recorded import line_of
from streams.logs.recording import Recording, appending
from tests.support.events import liked, minute, uploaded

FEEDBACK, UPLOADS, ERASURES, ERASED = (
    f"p.{name}" for name in ("feedback.v1", "uploads.v1", "erasures.v1", "erased.v1")
)
TWO = dict.fromkeys((FEEDBACK, UPLOADS, ERASURES), 2)
ANA = "u1"  # at home on partition 0
BEN = next(f"u{n}" for n in range(99) if partition_of(f"u{n}".encode(), 2) == 1)
LATER = minute(1000)  # record times
BEGINS = {(topic, p): 0 for topic in (FEEDBACK, UPLOADS) for p in (0, 1)}


def home(user_id: str) -> int:
    return partition_of(user_id.encode(), 2)


def event(user_id: str, offset: int, time: int, partition: int | None = None, origin: str = "") -> Record:
    headers = [("freshet-origin", origin.encode())] if origin else []
    value = feedback.encode(liked(user_id, f"v{offset}", minute(offset)))
    place = home(user_id) if partition is None else partition
    return Record(FEEDBACK, place, offset, LATER + time, user_id.encode(), value, headers)


def erasure(user_id: str, offset: int, time: int, at_ms: int = minute(1)) -> Record:
    return Record(
        ERASURES, home(user_id), offset, LATER + time, None, erasures.encode(Erasure(user_id=user_id, at_ms=at_ms))
    )


def upload(video_id: str, offset: int, time: int, origin: str = "") -> Record:
    headers = [("freshet-origin", origin.encode())] if origin else []
    return Record(UPLOADS, 0, offset, LATER + time, None, videos.encode(uploaded(video_id)), headers)


def in_order(
    records: Sequence[Record], gone: Iterable[Record] = (), took_effect: TookEffect | None = None
) -> tuple[list[Record], LiveOrder]:
    order = LiveOrder("p.", TWO, BEGINS)
    queues = {place: deque(one for one in records if one[:2] == place) for place in BEGINS}
    order.add_erasures(gone)
    order.settle(lambda _: took_effect or {})
    return list(order.records(lambda place: queues[place].popleft() if queues[place] else None)), order


def test_partitions_are_merged_by_time_and_each_keeps_its_offsets() -> None:
    early, back, other = event(ANA, 0, 10), event(ANA, 1, 3), event(BEN, 0, 5)  # the broker's clock went back
    video = upload("v", 0, 5)
    assert in_order([early, back, other, video])[0] == [video, other, early, back]


def test_what_was_sent_on_stands_where_it_counted_and_once() -> None:
    wrong = 1 - home(ANA)
    first = event(ANA, 0, 1, wrong)
    sent_on = event(ANA, 7, 9, origin=f"{FEEDBACK}/{wrong}/0")
    again = event(ANA, 8, 12, origin=f"{FEEDBACK}/{wrong}/0")
    direct = event(ANA, 5, 4)
    found, order = in_order([first, direct, sent_on, again])
    assert found == [direct, sent_on]
    assert (order.left_out, order.not_sent_on) == (Counter({"sent on": 1, "sent on twice": 1}), 0)


def test_what_was_not_sent_on_yet_is_counted() -> None:
    found, order = in_order([event(ANA, 0, 1, 1 - home(ANA))])
    assert (found, order.not_sent_on) == ([], 1)


def test_a_header_of_another_topic_or_of_a_partition_that_is_not_there_says_nothing() -> None:
    records = [
        event(ANA, n, n, origin=origin) for n, origin in enumerate(["other/0/0", "other/0/0", f"{FEEDBACK}/9/0"] * 2)
    ]
    assert in_order(records)[0] == records


def test_an_upload_that_was_sent_on_is_recorded_once() -> None:
    first, again = upload("v", 0, 1)._replace(partition=1), upload("v", 0, 2, f"{UPLOADS}/1/0")
    assert in_order([first, again])[0] == [first]


def test_a_header_that_names_the_own_partition_takes_no_upload_out_of_the_log() -> None:
    videos_too = [upload("v1", 0, 1), upload("v2", 1, 2, f"{UPLOADS}/0/0")]
    assert in_order(videos_too)[0] == videos_too


def test_a_header_that_names_a_place_still_to_come_takes_nothing_out_of_the_log() -> None:
    made_up = [event(ANA, n, n, origin=f"{FEEDBACK}/1/999") for n in range(2)]
    videos_too = [upload(f"v{n}", n, n, f"{UPLOADS}/1/999") for n in range(2)]
    found, order = in_order([*made_up, *videos_too])
    assert sorted(found) == sorted([*made_up, *videos_too])
    assert not order.left_out


@pytest.mark.parametrize(("after", "place"), [(-1, 0), (0, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("time", [0, 15, 99])
def test_an_erasure_stands_behind_the_last_event_that_was_applied_before_it(after: int, place: int, time: int) -> None:
    events = [event(ANA, n, 10 * (n + 1)) for n in range(3)]
    gone = erasure(ANA, 0, time)
    found, _ = in_order(events, [gone], {minute(1): after})
    own = [one for one in found if one.topic == FEEDBACK]
    assert own == events
    assert found.index(gone) == place


def test_an_erasure_without_a_marker_stands_by_its_time() -> None:
    events = [event(ANA, n, 10 * (n + 1)) for n in range(3)]
    gone = erasure(ANA, 0, 20)
    assert in_order(events, [gone])[0] == [events[0], gone, *events[1:]]


def test_an_erasure_that_took_effect_behind_the_end_waits_for_the_next_run() -> None:
    events = [event(ANA, 0, 1)]
    assert in_order(events, [erasure(ANA, 0, 2)], {minute(1): 5})[0] == events


def test_a_persons_erasures_keep_their_order() -> None:
    events = [event(ANA, n, 10 * (n + 1)) for n in range(3)]
    one, two = erasure(ANA, 0, 99), erasure(ANA, 1, 5, minute(2))
    found, _ = in_order(events, [one, two], {minute(2): 1})
    assert found == [*events[:2], one, two, events[2]]


def test_an_erasure_with_no_event_since_the_last_one_stands_behind_that() -> None:
    known = TookEffectByCode()
    for at_ms, version, last in (
        (1, 1_000_007, b"6"),
        (2, 2_000_007, b"-1"),
        (2, 2_000_007, None),
        (3, 3_000_009, b"x"),
    ):
        headers = [] if last is None else [("freshet-applied", last)]
        value = b'{"at_ms":%d,"version":%d}' % (minute(at_ms), version)
        known.add(Record(ERASED, 0, 0, 0, b"code", value, headers))
    known.add(
        Record(ERASED, 0, 0, 0, b"first", b'{"at_ms":1650000000000,"version":1000000}', [("freshet-applied", b"-1")])
    )
    known.add(
        Record(
            ERASED, 0, 0, 0, b"compacted", b'{"at_ms":1650000000000,"version":2000000}', [("freshet-applied", b"-1")]
        )
    )
    assert known.of("code") == {minute(1): 6, minute(2): 6}
    assert (known.of("first"), known.of("compacted")) == ({minute(0): -1}, {})


def test_a_line_that_was_cut_off_is_written_again_and_nothing_else_is_taken_away(tmp_path: Path) -> None:
    log = tmp_path / "live.jsonl"
    lines = [line_of(event(ANA, n, n), 2) for n in range(3)]
    log.write_bytes(b"".join(lines)[:-7])
    with appending(log) as (held, out):
        assert held.last[FEEDBACK, home(ANA)].offset == 1
        out.write(lines[2])
    assert log.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("content", [b"notes", b'{"kind":"like"}\n', b"\0\0\0", b'{"recorded":{"topic":"x"}}\n'])
def test_a_file_that_is_no_recording_is_not_touched(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "notes.txt"
    other.write_bytes(content)
    with pytest.raises(OperatorError, match="is of no recording"), appending(other):
        pass
    assert other.read_bytes() == content


def test_two_recordings_do_not_write_to_one_log(tmp_path: Path) -> None:
    log = tmp_path / "live.jsonl"
    with appending(log), pytest.raises(OperatorError, match="Another recording"), appending(log):
        pass


def test_a_log_of_other_topics_is_not_continued(tmp_path: Path) -> None:
    log = tmp_path / "live.jsonl"
    log.write_bytes(line_of(event(ANA, 0, 0), 2))
    held = Recording(log)
    with pytest.raises(OperatorError, match="another prefix"):
        held.require_topics({"q.feedback.v1": 2})
    with pytest.raises(OperatorError, match="had 2 partitions, and has 3 now"):
        held.require_topics({FEEDBACK: 3})
