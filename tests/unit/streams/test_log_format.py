"""A worker's log: JSON lines or text, with times in UTC wherever the machine is."""

import io
import json
import logging
import time
from collections.abc import Iterator

import pytest
from mode.utils import logging as faust_logging

from streams.worker.log_format import LogFormat, set_format


@pytest.fixture(autouse=True)
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handlers, level = [*logging.root.handlers], logging.root.level
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def written(log_format: LogFormat, *arguments: object, **how: object) -> str:
    """What one line of a worker becomes, by the handlers that Faust makes."""
    stream = io.StringIO()
    faust_logging.setup_logging(loglevel="INFO")
    for handler in logging.root.handlers:
        handler.setStream(stream)  # type: ignore[attr-defined]  # Faust's write to a stream
    set_format(logging.root, log_format, "ranker")
    logging.getLogger("freshet.test").warning(*arguments, **how)  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_json_line_says_when_in_utc_how_severe_who_and_what() -> None:
    before_s = time.time()
    line = written("json", "%d records of %s", 7, 'a "topic"\nwith ü')
    fields = json.loads(line)
    assert line.count("\n") == 1
    assert {name: fields[name] for name in ("level", "agent", "logger", "message")} == {
        "level": "WARNING",
        "agent": "ranker",
        "logger": "freshet.test",
        "message": '7 records of a "topic"\nwith ü',
    }
    assert fields["at"].startswith(time.strftime("%Y-%m-%dT%H:", time.gmtime(before_s))) and fields["at"][-1] == "Z"


def test_a_traceback_is_in_its_line() -> None:
    try:
        raise ValueError("oh")
    except ValueError:
        line = written("json", "it failed", exc_info=True)
    assert line.count("\n") == 1
    assert "ValueError: oh" in json.loads(line)["exception"]


def test_a_text_line_has_its_time_in_utc_too() -> None:
    before_s = time.time()
    line = written("text", "%d records", 7)
    assert line.startswith(f"[{time.strftime('%Y-%m-%dT%H:', time.gmtime(before_s))}")
    assert "WARNING" in line and "7 records" in line and "Z] [" in line
