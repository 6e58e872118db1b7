"""Dead letters are exported, corrected, sent again where that can succeed, and discarded."""

import json
from pathlib import Path
from typing import Any

import pytest

from ranker.profile.fold import Arrival
from schemas.messages import feedback, videos
from schemas.messages.dead_letters import ATTEMPTS, LETTER_BYTES, Handled, Reason, encode_handled
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, ERASURES, FEEDBACK, HANDLED, UPLOADS, Topic
from streams.dead_letters.store import Choice, StoredDeadLetter, stored_dead_letters
from streams.dead_letters.validation import late_dead_letters
from streams.kafka import topic_admin
from streams.kafka.command_reader import command_reader
from streams.kafka.records import Record
from streams.operations.dead_letters import handling
from streams.operations.dead_letters.exchange import NotALine, corrected, edited, exported
from streams.operations.dead_letters.verdict import why_not_again, why_not_valid
from tests.support.command import freshet
from tests.support.dead_letters import BAD, letter, ours, put
from tests.support.events import NOON, minute, uploaded, watched
from tests.support.system import agents, everything, publish, wait_until

LIKE = b'{"kind":"like","user_id":"ana","video_id":"v1","at_ms":%d}'
SETTINGS = Settings(prefix="f.", late_ms=60_000)
HOUR_AHEAD = LIKE % minute(60)


def of(topic: Topic, **changes: Any) -> StoredDeadLetter:
    return letter(topic=topic.full("f."), **changes)


# ---- what can succeed ----


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"value": LIKE % NOON}, None),
        ({"value": b"x" * LETTER_BYTES}, "cut at 65536 bytes"),
        ({"value": LIKE % NOON, "key": b"k" * LETTER_BYTES}, "cut at 65536 bytes"),
        ({"value": b""}, "nothing was kept of it"),
        ({"topic": "other.feedback.v1"}, "its topic takes no messages of others"),
        ({"topic": "f.payroll"}, "its topic takes no messages of others"),
        ({"topic": "f.dead-letters.v1"}, "its topic takes no messages of others"),
        ({"topic": "f.profiles.v1", "reason": "internal"}, "its topic takes no messages of others"),
        ({"value": LIKE % NOON, "key": b"ben"}, "key_mismatch: the record's key is not its $.user_id"),
        ({"value": b'{"kind":"like"}'}, "schema: Object missing required field `user_id`"),
        ({"value": HOUR_AHEAD}, "timestamp: $.at_ms is 3600000 ms after the broker's time"),
        ({"value": LIKE % NOON, "kept": (("ce_specversion", b"2.0"),)}, "schema_version: "),
    ],
)
def test_what_the_agents_would_refuse_again_is_named_with_their_reason(
    changes: dict[str, Any], why: str | None
) -> None:
    found = why_not_again(letter(**changes), SETTINGS, NOON)
    assert found is None if why is None else (found or "").startswith(why), found


def test_a_time_that_was_ahead_can_succeed_once_it_has_come() -> None:
    assert why_not_again(letter(value=HOUR_AHEAD, reason="timestamp"), SETTINGS, minute(60)) is None


def test_uploads_and_erasures_are_judged_as_their_agents_do() -> None:
    good, bad = videos.encode(uploaded("v1")), b'{"kind":"upload","video_id":"v1","at_ms":%d}' % NOON
    assert why_not_again(of(UPLOADS, value=good, key=b"v1"), SETTINGS, minute(0)) is None
    assert (why_not_again(of(UPLOADS, value=bad, key=b"v1"), SETTINGS, NOON) or "").startswith("schema: $ needs")
    erasure = b'{"user_id":"ana","at_ms":%d}' % NOON
    assert why_not_again(of(ERASURES, value=erasure), SETTINGS, NOON) is None
    assert (why_not_again(of(ERASURES, value=erasure, key=b"ben"), SETTINGS, NOON) or "").startswith("key_mismatch")


def test_what_came_too_late_does_so_again_unless_more_is_allowed_now() -> None:
    late: dict[str, Any] = {"reason": "late", "value": LIKE % NOON}
    record = Record("feedback.v1", 0, 7, NOON, b"ana", b"{}")
    details = [
        late_dead_letters([record], [Arrival(watched("ana", "v1", NOON), "feedback.v1", 0, 7)], ms)[0].detail
        for ms in (60_000, 59_999)
    ]
    again = [why_not_again(letter(**late, detail=detail), SETTINGS, NOON) for detail in details]
    assert (again[0] or "").startswith("late: its person has newer events") and again[1] is None
    assert why_not_again(letter(**late, detail="of an earlier release"), SETTINGS, NOON) is None
    upload = of(UPLOADS, value=videos.encode(uploaded("v1")), key=b"v1", reason="late")
    assert why_not_again(upload, SETTINGS, NOON) == "late: its video has a newer upload or withdrawal"


def test_media_that_could_not_be_fetched_may_be_there_now() -> None:
    one = of(UPLOADS, value=videos.encode(uploaded("v1")), key=b"v1", reason="media")
    assert why_not_again(one, SETTINGS, NOON) is None


# ---- lines of a file ----


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"key": None},
        {"key": b"\xff\x00"},
        {"value": b"\x00\xfe"},
        {"value": "größer ".encode()},
        {"value": b""},
        {"kept": (("content-type", b"text/pl\xe4in"), ("ce_type", b"freshet.like.v1"))},
    ],
    ids=repr,
)
def test_an_exported_line_that_nobody_edited_is_the_dead_letter(changes: dict[str, Any]) -> None:
    one = letter(**{"kept": (("ce_type", b"freshet.like.v1"),), **changes})
    line = edited(7, json.dumps(exported(one, None)).encode())
    assert line.at == one.at and corrected(one, line) == one


def test_a_value_may_be_opened_in_the_line() -> None:
    line = edited(1, json.dumps({**exported(letter(), None), "value": {"kind": "like", "at_ms": 5}}).encode())
    assert line.value == b'{"kind":"like","at_ms":5}'


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"partition":0,"offset":"1","written_ms":1}', '{"partition":0,"offset":1,"written_ms":1,'
             '"value_base64":"?"}', '{"partition":0,"offset":1,"written_ms":1,"headers_base64":{"ce_id":"?"}}',
             '{"partition":0,"offset":1,"written_ms":1,"key_base64":5}', "\x00", "[" * 9000]
)  # fmt: skip
def test_a_line_that_names_no_dead_letter_is_refused(text: str) -> None:
    with pytest.raises(NotALine):
        edited(1, text.encode())


def test_a_choice_is_by_reason_topic_time_and_place() -> None:
    here, there = letter(NOON), letter(NOON + 5, reason="late", topic="f.uploads.v1", offset=1)
    for choice in (
        Choice(reason="late"), Choice(topics=frozenset({"f.uploads.v1"})), Choice(from_ms=NOON + 1),
        Choice(places=frozenset({there.at})),
    ):  # fmt: skip
        assert [choice.takes(one) for one in (here, there)] == [False, True]
    assert [Choice(until_ms=NOON + 5).takes(one) for one in (here, there)] == [True, False]


# ---- on a broker ----


def run(settings: Settings, *arguments: object, code: int = 0) -> list[Any]:
    """The command's JSON lines; it ends with this status."""
    ran = freshet(settings, "dlq", *arguments)
    assert ran.returncode == code, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def listed(settings: Settings, *options: str) -> dict[str, int]:
    (found,) = run(settings, "ls", "--json", *options)
    return {group["reason"]: group["count"] for group in found["groups"]}


@pytest.mark.connected
def test_a_replay_sends_what_can_succeed_once_and_leaves_the_rest(settings: Settings) -> None:
    like = feedback.encode(watched("ana", "v1", NOON))
    typed = [("ce_specversion", b"1.0"), ("ce_type", b"freshet.watch.v1"), (ATTEMPTS, b"2")]
    put(settings, ours(settings, value=like, headers=typed), ours(settings, value=b"x" * LETTER_BYTES), ours(settings))
    put(settings, ours(settings, Reason.LATE))
    tried = freshet(settings, "dlq", "replay", "--reason", "decode", "--dry-run")
    assert tried.stdout == f"{FEEDBACK.full(settings.prefix)}: 1 would be sent again\n", tried.stderr
    assert "1 left out: cut at 65536 bytes" in tried.stderr
    assert "1 left out: decode: JSON is malformed" in tried.stderr or "1 left out: decode: Input data" in tried.stderr
    assert everything(settings, FEEDBACK) == everything(settings, HANDLED) == []
    assert handling.replay(settings, Choice("decode"), dry_run=False).sent.total() == 1
    (again,) = everything(settings, FEEDBACK)
    assert (again.key, again.value) == (b"ana", like)
    assert dict(again.headers) == {**dict(typed), ATTEMPTS: b"3"}
    (repeated,) = run(settings, "replay", "--reason", "decode", "--json")
    assert repeated["sent"] == {} and sum(repeated["left_out"].values()) == 2
    assert len(everything(settings, FEEDBACK)) == 1
    assert (listed(settings), listed(settings, "--all")) == ({"decode": 2, "late": 1}, {"decode": 3, "late": 1})


@pytest.mark.connected
def test_what_a_former_release_has_replayed_is_not_sent_again(settings: Settings) -> None:
    put(settings, ours(settings, value=LIKE % NOON))
    with command_reader(settings, {"group.id": f"{settings.prefix}dlq-replay-decode"}) as reader:
        reader.commit(DEAD_LETTERS.full(settings.prefix), dict.fromkeys(range(settings.partitions), 1))
    for choice in (Choice("decode"), Choice(), Choice(topics=frozenset([FEEDBACK.full(settings.prefix)]))):
        assert handling.replay(settings, choice, dry_run=False).sent.total() == 0
    lines = [json.dumps(exported(one, None)).encode() for one in stored_dead_letters(settings, Choice())]
    assert [one.why for one in handling.replay_lines(settings, lines, dry_run=False)] == ["it was dealt with already"]
    assert everything(settings, FEEDBACK) == []


@pytest.mark.connected
def test_exported_letters_are_corrected_and_sent_each_with_its_verdict(settings: Settings, tmp_path: Path) -> None:
    with agents(settings, tmp_path, "profiles"):
        publish(settings, FEEDBACK, [("ana", LIKE % 5), ("ben", BAD), ("ana", LIKE % 6), ("ana", LIKE % 7)])
        wait_until("all are dead letters", lambda: len(everything(settings, DEAD_LETTERS)) == 4)
        lines = sorted(run(settings, "export"), key=lambda one: (one["key"], one["place"]))
        assert [one["refusal"].partition(":")[0] for one in lines] == ["timestamp", "timestamp", "timestamp", "decode"]
        first, second, third, ben = lines
        mended = {**json.loads(first["value"]), "at_ms": NOON}
        still_bad = {**json.loads(second["value"]), "at_ms": 8}
        gone = {**third, "offset": 999}
        file = tmp_path / "letters.jsonl"
        chosen = [{**first, "value": mended}, {**second, "value": still_bad}, third, ben, first, gone, "none"]
        file.write_text("\n".join(map(json.dumps, chosen)), "utf-8")
        tried = run(settings, "replay", file, "--json", "--dry-run", code=1)
        assert tried[0]["verdict"] == "would be sent" and len(everything(settings, FEEDBACK)) == 4
        told = run(settings, "replay", file, "--json", code=1)
        assert [one["verdict"] for one in told] == ["sent", *["refused"] * 6]
        assert [one["why"] and one["why"].partition(":")[0] for one in told] == [
            None, "timestamp", "timestamp", "decode", "it was dealt with already", "no dead letter lies there",
            "the line is no dead letter",
        ]  # fmt: skip
        wait_until("the corrected one is in", lambda: len(everything(settings, FEEDBACK)) == 5)
        again = run(settings, "replay", file, "--json", code=1)
        assert again[0]["why"] == "it was dealt with already"
    assert len(everything(settings, FEEDBACK)) == 5
    assert listed(settings) == {"timestamp": 2, "decode": 1}
    text = freshet(settings, "dlq", "replay", file).stdout.splitlines()
    assert (
        text[-1] == "0 sent again, 7 refused" and text[3].startswith("line 4 ([") and ": refused: decode: " in text[3]
    )


@pytest.mark.connected
def test_discarded_letters_are_left_out_of_lists_and_stay_on_the_topic(settings: Settings, tmp_path: Path) -> None:
    put(settings, ours(settings), ours(settings, Reason.LATE), ours(settings, Reason.LATE))
    put(settings, ours(settings, Reason.MEDIA, topic=UPLOADS.full(settings.prefix)))
    assert freshet(settings, "dlq", "discard").returncode == 2
    (tried,) = run(settings, "discard", "--agent", "encoder", "--dry-run", "--json")
    assert tried["discarded"] == 1 and len(listed(settings)) == 3
    (done,) = run(settings, "discard", "--agent", "encoder", "--json")
    assert [(one["reason"], one["count"]) for one in done["groups"]] == [("media", 1)]
    one, _ = run(settings, "export", "--reason", "late")
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(one), "utf-8")
    assert freshet(settings, "dlq", "discard", file).stdout.endswith("late " + one["topic"] + ": 1 discarded\n")
    assert listed(settings) == {"decode": 1, "late": 1}
    assert listed(settings, "--all") == {"decode": 1, "late": 2, "media": 1}
    assert len(everything(settings, DEAD_LETTERS)) == 4
    assert len(run(settings, "show", "--json")) == 2 and len(run(settings, "show", "--json", "--all")) == 4
    (nothing,) = run(settings, "discard", "--topic", "uploads.v1", "--json")
    assert nothing["discarded"] == 0
    assert run(settings, "export", "--until", str(NOON)) == []


@pytest.mark.connected
def test_a_mark_hides_no_letter_of_a_topic_that_was_made_again(settings: Settings) -> None:
    put(settings, ours(settings))
    (stored,) = stored_dead_letters(settings)
    for written_ms, left in ((stored.written_ms - 1, 1), (stored.written_ms, 0)):
        mark = Handled(
            partition=stored.partition, offset=stored.offset, written_ms=written_ms, reason="decode", done="discarded"
        )
        publish(settings, HANDLED, [(mark.key, encode_handled(mark)), ("noise", b"\xff")])
        assert len(list(stored_dead_letters(settings))) == left


@pytest.mark.connected
def test_without_the_topic_of_the_marks_nothing_is_sent_and_letters_are_listed(settings: Settings) -> None:
    put(settings, ours(settings, value=LIKE % NOON))
    with topic_admin.connected(settings) as client:
        client.delete_topics([HANDLED.full(settings.prefix)])
    wait_until("it is gone", lambda: bool(topic_admin.plan(settings, (HANDLED,))))
    assert listed(settings) == {"decode": 1}
    ran = freshet(settings, "dlq", "replay", "--reason", "decode")
    assert ran.returncode == 1 and f"There is no topic {HANDLED.full(settings.prefix)}" in ran.stderr
    assert everything(settings, FEEDBACK) == []


def test_why_not_valid_says_nothing_of_a_corrected_one() -> None:
    line = edited(1, json.dumps({**exported(letter(reason="late"), None), "value": (LIKE % NOON).decode()}).encode())
    assert why_not_valid(corrected(letter(reason="late"), line), SETTINGS, NOON) is None
