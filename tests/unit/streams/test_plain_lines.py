"""The quick way to read a line of a log says the same as the slow one."""

import json

import pytest

from streams.logs import jsonl
from streams.logs.jsonl import read_log
from streams.logs.plain_lines import plain_event
from tests.support.log_lines import LIKE, NO_TIME, UPLOAD
from tests.support.paths import GOLDEN

WATCH = {"kind": "watch", "user_id": "u1", "video_id": "v1", "at_ms": 1650812741000, "watched_ms": 900}


def line(**changed: object) -> str:
    return json.dumps(WATCH | changed)


ODD = [
    LIKE, NO_TIME, UPLOAD, line(), line(at_ms="1650812741000"), line(at_ms=1650812741), line(user_id="Ánna"),
    line(user_id="a\tb"), line(user_id=""), line(user_id="u" * 300), line(watched_ms=-1), line(event_id="e 1"),
    line(event_id="e\u0000"), line(note="n" * 70_000), line(note={"kind": "upload"}), line(note='"recorded"'),
    line(specversion="1.0"), line(kind="wath"), line()[:-1] + ',"kind":"upload"}', line()[:-1] + ',"kind":"like"}',
    '{"kind":"like","user_id":"u1","video_id":"v1","at_ms":1650812741000,"at_ms":1650812742000}', line()[:40],
    json.dumps({"recorded": {"topic": "x.feedback.v1"}, "value": WATCH}), "[1]",
]  # fmt: skip


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return [*(one.encode() for one in ODD), b'{"kind":"like","user_id":"\xff"}', *(GOLDEN / "log.jsonl").open("rb")]


def test_each_line_is_read_as_it_is_without_the_quick_way(lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    quickly = [*read_log(lines)]
    monkeypatch.setattr(jsonl, "plain_event", lambda value: None)
    assert [(type(one), *one) for one in quickly] == [(type(one), *one) for one in read_log(lines)]


def test_most_lines_are_read_quickly(lines: list[bytes]) -> None:
    assert sum(plain_event(one.strip()) is not None for one in lines) > 240
