"""Dead letters: what they carry, when they raise an alarm, and how they are listed, shown and sent again."""

import json
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.messages import feedback
from schemas.messages.dead_letters import ATTEMPTS, LETTER_BYTES, DeadLetter, Reason, letter_headers
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, FEEDBACK, MAX_RECORD_BYTES, PROFILES
from streams.cli.dlq import readable
from streams.dead_letters.publisher import ALARM_INTERVAL_S, WINDOW_S, Alarm, to_record
from streams.dead_letters.store import groups, newest
from streams.kafka import topic_admin
from tests.support.command import freshet
from tests.support.dead_letters import BAD, TOPIC, dead_letter, letter, ours, put
from tests.support.events import NOON, watched
from tests.support.system import agents, everything, publish, wait_until


def headers_of(letter: DeadLetter) -> dict[str, bytes]:
    return dict(letter_headers(letter, "0.1.0"))


# ---- what a letter carries ----


def test_a_letter_counts_the_attempts_that_its_record_says() -> None:
    assert headers_of(dead_letter())["attempts"] == b"1"
    assert headers_of(dead_letter(headers=[(ATTEMPTS, b"3")]))["attempts"] == b"3"
    assert headers_of(dead_letter(headers=[(ATTEMPTS, b"-1e9")]))["attempts"] == b"1"


def test_a_letter_keeps_the_headers_without_which_its_value_reads_differently() -> None:
    original = [("ce_type", b"freshet.like.v2"), ("ce_id", b"e-1"), ("cookie", b"mine"), ("ce_specversion", None)]
    kept = headers_of(dead_letter(headers=original))
    assert (kept["ce_type"], kept["ce_id"]) == (b"freshet.like.v2", b"e-1")
    assert "cookie" not in kept
    assert "ce_specversion" not in kept


def test_no_header_of_the_original_can_replace_one_of_ours_or_swell_the_letter() -> None:
    hostile = [("reason", b"late"), ("ce_id", b"x" * 100_000), *[("content-type", b"y" * 1000)] * 10_000]
    written = letter_headers(dead_letter(headers=hostile), "0.1.0")
    assert [value for name, value in written if name == "reason"] == [b"decode"]
    assert sum(len(value) for _, value in written) < 2000


def test_a_letter_of_an_erased_person_keeps_no_header() -> None:
    assert "ce_id" not in headers_of(dead_letter(Reason.ERASED, headers=[("ce_id", b"ana-1")]))


def test_a_letter_is_never_too_large_to_be_written() -> None:
    record = to_record(dead_letter(key=b"k" * 10_000_000, value=b"v" * 10_000_000))
    assert (len(record.key or b""), len(record.value or b"")) == (LETTER_BYTES, LETTER_BYTES)


# ---- the alarm ----


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_one_letter_in_a_hundred_is_no_alarm_and_two_are(caplog: pytest.LogCaptureFixture) -> None:
    alarm = Alarm("profiles", 0.01)
    alarm.add(0.0, 100, [Reason.DECODE])
    assert said(caplog) == []
    alarm.add(1.0, 0, [Reason.LATE])
    (line,) = said(caplog)
    assert line.startswith(
        "profiles: 2 of the 100 records of the last 5 minutes became dead letters (1 decode, 1 late)"
    )


def test_the_alarm_speaks_once_a_minute_at_most(caplog: pytest.LogCaptureFixture) -> None:
    alarm = Alarm("profiles", 0.01)
    for second in range(int(ALARM_INTERVAL_S) + 1):
        alarm.add(float(second), 10, [Reason.SCHEMA])
    assert len(said(caplog)) == 2


def test_what_lies_more_than_five_minutes_back_does_not_count(caplog: pytest.LogCaptureFixture) -> None:
    alarm = Alarm("profiles", 0.01)
    alarm.add(0.0, 1000, [Reason.SCHEMA] * 10)
    alarm.add(WINDOW_S + 10.0, 100, [])
    assert (alarm.recent.read, alarm.recent.dead_letters.total()) == (100, 0)
    alarm.add(WINDOW_S + 11.0, 0, [Reason.SCHEMA])
    assert said(caplog) == []


# ---- the list ----


def test_letters_are_counted_by_reason_and_topic_with_their_time_range() -> None:
    late = [letter(NOON + at, reason="late", attempts=at) for at in (3, 1, 2)]
    found = groups([letter(), *late])
    assert list(found) == [("late", TOPIC), ("decode", TOPIC)]
    group = found["late", TOPIC]
    assert (group.count, group.oldest_ms, group.newest_ms, group.most_attempts) == (3, NOON + 1, NOON + 3, 3)


def test_the_newest_letters_of_all_partitions_are_shown_oldest_first() -> None:
    read = [letter(NOON + at, partition=at % 2, offset=at) for at in (0, 2, 4, 1, 3, 5)]
    assert [one.written_ms - NOON for one in newest(read, 3)] == [3, 4, 5]


def test_what_somebody_wrote_cannot_command_a_terminal() -> None:
    assert readable(b"\x1b]0;owned\x07\r\n\xe2\x80\xae") == "\\x1b]0;owned\\x07\\r\\n\\u202e"
    assert readable(b"x" * 301) == "x" * 300 + "…"


# ---- on a broker ----


def committed(settings: Settings) -> int:
    """How many feedback events the profiles agent has acknowledged."""
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, group_id=f"{settings.prefix}profiles")
    name = FEEDBACK.full(settings.prefix)
    offsets = [consumer.committed(TopicPartition(name, number)) for number in range(settings.partitions)]
    consumer.close()
    return sum(offset or 0 for offset in offsets)


@pytest.mark.connected
def test_letters_are_listed_and_shown_by_the_command(settings: Settings) -> None:
    put(settings, ours(settings), ours(settings, value=b"x" * 1000, key=None), ours(settings, Reason.LATE))
    listed = json.loads(freshet(settings, "dlq", "ls", "--json").stdout)
    assert listed["dead_letters"] == 3
    assert [(group["reason"], group["count"]) for group in listed["groups"]] == [("decode", 2), ("late", 1)]
    assert (listed["letters"], listed["heaps"]) == (listed["dead_letters"], listed["groups"])  # for one release
    table = freshet(settings, "dlq", "ls").stdout
    assert FEEDBACK.full(settings.prefix) in table
    shown = freshet(settings, "dlq", "show", "--reason", "late")
    assert f"late {FEEDBACK.full(settings.prefix)}[1]@7" in shown.stdout
    assert f"because\n  key ana, {len(BAD)} bytes: {BAD.decode()}" in shown.stdout
    assert len(freshet(settings, "dlq", "show", "--limit", "1", "--json").stdout.splitlines()) == 1


@pytest.mark.connected
def test_an_agent_that_cannot_write_dead_letters_stops_taking_input_and_says_so(
    settings: Settings, tmp_path: Path
) -> None:
    name = DEAD_LETTERS.full(settings.prefix)
    liked = {user: feedback.encode(watched(user, "v1", NOON)) for user in ("ana", "ben", "eva")}
    with agents(settings, tmp_path, "profiles") as running:
        publish(settings, FEEDBACK, [("ana", liked["ana"])])
        wait_until("it runs", lambda: committed(settings) == 1)
        limit_letters(settings, 64)
        publish(settings, FEEDBACK, [("ana", BAD)])
        wait_until("it says so", lambda: name in running.said("profiles"))
        publish(settings, FEEDBACK, [("ben", liked["ben"]), ("eva", liked["eva"])])
        wait_until("it tries again", lambda: running.said("profiles").count(name) >= 4)
        assert len(everything(settings, PROFILES)) == 1
        assert committed(settings) == 1
        limit_letters(settings, MAX_RECORD_BYTES)
        wait_until("it goes on", lambda: len(everything(settings, PROFILES)) == 3)
        wait_until("it acknowledges", lambda: committed(settings) == 4)
    assert len(everything(settings, DEAD_LETTERS)) == 1
    assert "offsets are not committed" in running.said("profiles")


def limit_letters(settings: Settings, size: int) -> None:
    name = DEAD_LETTERS.full(settings.prefix)
    limit = ConfigResource(ConfigResourceType.TOPIC, name, configs={"max.message.bytes": str(size)})
    with topic_admin.connected(settings) as client:
        client.alter_configs([limit])
