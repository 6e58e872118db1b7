"""Titles of videos beside the slates that `freshet watch` shows."""

from schemas.messages import videos
from schemas.topics import FEATURES, FEEDBACK
from streams.kafka.records import Record
from streams.logs.tail import heading
from streams.logs.titles import Titles
from tests.support.events import NOON, encoded, withdrawn
from tests.support.kafka_logs import good_log, slate_for


def record(value: bytes | None) -> Record:
    return Record(FEATURES.full("f."), 0, 0, NOON, b"v1", value)


def test_the_newest_title_counts_and_a_withdrawn_video_keeps_its_own() -> None:
    titles = Titles()
    assert titles.get("v1") is None
    made = [encoded("v1", title="One"), encoded("v1", NOON + 5, title="Two"), withdrawn("v1", NOON + 9)]
    titles.apply(0, [record(videos.encode(one)) for one in made], 3)
    known = titles.get("v1")
    assert known is not None and (known.title, known.at_ms) == ("Two", NOON + 5)


def test_damaged_records_are_left_out() -> None:
    titles = Titles()
    titles.apply(0, [record(value) for value in (None, b"", b"{", b"\xff", b"[]", b"{}")], 6)
    titles.apply(0, [record(videos.encode(encoded("v1", title="One")))], 7)
    known = titles.get("v1")
    assert known is not None and known.title == "One"


def test_a_heading_says_how_old_a_slate_is_beside_how_long_it_took() -> None:
    log = good_log()
    trigger = log[FEEDBACK][0]
    slate = slate_for(log, "ana", 7, trigger, ["v1"])
    said = heading(slate, slate.generated_at_ms + 3 * 86_400_000)
    assert said.startswith("ana version 7, 3.0 d old, made 9 ms after freshet.feedback.v1[")
