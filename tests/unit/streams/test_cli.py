"""The command line: what it prints and how it exits."""

import json
import socket
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.settings.model import Settings
from streams import cli
from streams.cli.logs import speed_of
from streams.kafka import probe, topic_admin
from streams.local import broker
from streams.logs.jsonl import read_log
from streams.logs.send import paced
from streams.worker import supervise
from tests.support.brokers import CACHE
from tests.support.command import Freshet
from tests.support.log_lines import LIKE, NO_TIME, UPLOAD, log_of


@pytest.mark.parametrize(
    "command", [["broker"], ["config", "show"], ["send"], ["topics", "apply"], ["up"], ["watch"], ["worker"]]
)
def test_the_common_options_are_the_same_everywhere(freshet: Freshet, command: list[str]):
    text = freshet(*command, "--help").out
    for option in ("--bootstrap", "--qdrant-url", "--prefix", "--data-dir"):
        assert f"{option} " in text


def test_validate_names_line_field_and_reason_and_goes_on(freshet: Freshet, tmp_path: Path):
    bad_id = '{"kind":"like","user_id":5,"video_id":"v1","at_ms":1650812741000}'
    seconds = '{"kind":"like","user_id":"u","video_id":"v1","at_ms":1650812741}'
    empty = '{"kind":"upload","video_id":"v1","at_ms":1650812740000}'
    ran = freshet("validate", log_of(tmp_path, LIKE, NO_TIME, "", bad_id, "{nope", seconds, empty, UPLOAD))
    lines = ran.out.splitlines()
    assert ran.code == 1
    assert lines[0] == "line 2: at_ms: schema: Object missing required field `at_ms`"
    assert lines[1] == "line 4: user_id: schema: Expected `str`, got `int` - at `$.user_id`"
    assert lines[2].startswith("line 5: $: decode: JSON is malformed")
    assert lines[3].startswith("line 6: at_ms: timestamp: ")
    assert lines[4].startswith("line 7: $: schema: $ needs at least one of title")
    assert lines[5].endswith("log.jsonl: 2 usable (1 like, 1 upload), 5 not")


def test_validate_prints_the_same_as_json(freshet: Freshet, tmp_path: Path):
    ran = freshet("validate", log_of(tmp_path, LIKE, NO_TIME, UPLOAD), "--json")
    fault, summary = map(json.loads, ran.out.splitlines())
    assert (fault["line"], fault["field"], fault["reason"]) == (2, "at_ms", "schema")
    assert summary == {
        "usable": 2,
        "faults": 1,
        "faults_by_reason": {"schema": 1},
        "kinds": {"like": 1, "upload": 1},
        "first_ms": 1650812740000,
        "last_ms": 1650812741000,
        "back_in_time": 1,
        "first_back_in_time": 3,
    }


def test_a_clean_log_passes(freshet: Freshet, tmp_path: Path):
    assert freshet("validate", log_of(tmp_path, LIKE, UPLOAD)).code == 0


def test_config_show_tells_value_and_source_and_masks_secrets(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "freshet.toml").write_text('qdrant_api_key = "swordfish"\nseed = 7\n')
    monkeypatch.setenv("FRESHET_PREFIX", "mine.")
    ran = freshet("config", "show", "--bootstrap", "k:1", "--json")
    shown = json.loads(ran.out)
    assert shown["bootstrap"] == {"value": "k:1", "source": "flag"}
    assert shown["prefix"] == {"value": "mine.", "source": "environment"}
    assert shown["seed"] == {"value": 7, "source": "file"}
    assert shown["partitions"] == {"value": 4, "source": "default"}
    text = freshet("config", "show")
    assert "environment" in text.out
    assert "swordfish" not in ran.out + text.out


@pytest.mark.parametrize("level", ["debug", "Debug", "DEBUG"])
def test_a_log_level_is_read_in_any_case(freshet: Freshet, monkeypatch: pytest.MonkeyPatch, level: str):
    monkeypatch.setenv("FRESHET_LOG_LEVEL", level)
    assert json.loads(freshet("config", "show", "--json").out)["log_level"]["value"] == "DEBUG"


def test_a_bad_setting_is_two_lines_and_no_traceback(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_PARTITIONS", "many")
    ran = freshet("topics", "plan")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 2)
    assert ran.err.startswith("freshet: FRESHET_PARTITIONS cannot be 'many'")


def test_config_show_shows_every_setting_and_marks_the_wrong_ones(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_PARTITIONS", "many")
    monkeypatch.setenv("FRESHET_BOOTSTRAPS", "k:1")
    monkeypatch.setenv("FRESHET_QDRANT_URL", "localhost:6333")
    monkeypatch.setenv("COLUMNS", "8")
    ran = freshet("config", "show")
    marked = {line.split()[0] for line in ran.out.splitlines() if line.endswith("<- wrong")}
    assert (ran.code, marked) == (1, {"partitions", "FRESHET_BOOTSTRAPS", "qdrant_url"})
    assert Settings.model_fields.keys() <= {line.split()[0] for line in ran.out.splitlines()}
    assert len(ran.err.splitlines()) == 3 and "FRESHET_PARTITIONS cannot be 'many'" in ran.err
    shown = json.loads(freshet("config", "show", "--json").out)
    assert shown["partitions"]["value"] == "many" and "cannot be 'many'" in shown["partitions"]["fault"]
    assert shown["prefix"] == {"value": "freshet.", "source": "default"}


def test_config_ranking_prints_what_counts_and_which_of_it_is_the_files(
    freshet: Freshet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "ranking.toml"
    file.write_text("[worth]\nlike = 3.0\n")
    monkeypatch.setenv("FRESHET_RANKING", str(file))
    rows = [line.split() for line in freshet("config", "ranking").out.splitlines()]
    assert ["worth.like", "3.0", "file"] in rows and ["worth.finish", "1.0", "default"] in rows
    assert json.loads(freshet("config", "ranking", "--json").out)["worth"]["like"] == 3.0
    file.write_text("[worth]\nlikes = 3.0\n")
    ran = freshet("config", "ranking")
    assert ran.code == 2 and "worth.likes is not known; the nearest one is worth.like" in ran.err


def test_config_show_says_what_the_ranking_table_is_read_as_or_what_is_wrong_with_it(
    freshet: Freshet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "ranking.toml"
    file.write_text("[worth]\nlike = 3.0\n")
    monkeypatch.setenv("FRESHET_RANKING", str(file))
    version = json.loads(freshet("config", "ranking", "--json").out)["version"]
    ran = freshet("config", "show")
    (row,) = [line for line in ran.out.splitlines() if line.startswith("ranking ")]
    assert ran.code == 0 and row.endswith(f"learned@{version}")
    assert json.loads(freshet("config", "show", "--json").out)["ranking"]["version"] == version
    for text, said in (("[worth]\nlikes = 3.0\n", "worth.likes is not known"), (None, "No such file")):
        file.unlink() if text is None else file.write_text(text)
        ran = freshet("config", "show", "--json")
        shown = json.loads(ran.out)
        assert ran.code == 1 and said in ran.err and said in shown["ranking"]["fault"]
        assert shown["prefix"]["source"] == "default"  # the rest is printed all the same
        (row,) = [line for line in freshet("config", "show").out.splitlines() if line.startswith("ranking ")]
        assert row.endswith("<- wrong")


@pytest.mark.parametrize(
    "command",
    [
        ["topics", "plan"], ["topics", "apply"], ["watch"], ["dlq", "ls"], ["dlq", "show"], ["forget", "u", "--prove"],
        ["forget", "u"], ["digest"], ["contract", "verify", "--from-start"], ["review"],
        ["playlist", "u"], ["reuploads"], ["similar", "v"], ["train-fusion"], ["worker", "profiles"], ["up"],
        ["dlq", "replay", "--reason", "schema"], ["topics", "check"],
    ],
)  # fmt: skip
def test_without_a_broker_every_command_ends_with_the_same_sentence(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, command: list[str], tmp_path: Path
):
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(CACHE.settings.cache_dir))  # some want the models first
    ran = freshet(*command, "--bootstrap", "127.0.0.1:1", "--data-dir", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "freshet: No Kafka broker answered at 127.0.0.1:1 within 0 s: 127.0.0.1:1: connection refused." in ran.err
    assert "Traceback" not in ran.err


def test_an_erasure_up_to_a_time_in_seconds_is_refused_before_it_is_published(freshet: Freshet, tmp_path: Path):
    ran = freshet("forget", "u", "--at-ms", "1795824168", "--bootstrap", "127.0.0.1:1", "--data-dir", tmp_path)
    assert ran.code == 2 and "give Unix time in ms, not in seconds" in " ".join(ran.err.split())


@pytest.mark.parametrize("command", [["send"], ["replay", "--to-kafka"], ["backfill"]], ids=" ".join)
def test_without_a_broker_a_log_is_not_sent_and_the_sentence_is_the_same(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, command: list[str], tmp_path: Path
):
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    monkeypatch.setenv("FRESHET_CACHE_DIR", str(CACHE.settings.cache_dir))
    ran = freshet(*command, log_of(tmp_path, UPLOAD, LIKE), "--bootstrap", "127.0.0.1:1", "--data-dir", tmp_path)
    assert ran.code == 1
    assert "freshet: No Kafka broker answered at 127.0.0.1:1 within 0 s: 127.0.0.1:1: connection refused." in ran.err


def test_up_adds_no_partitions_and_looks_after_the_broker_that_it_started(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    asked: list[Any] = []
    local = SimpleNamespace(start_again_if_ended=lambda report: report("it is started again"))
    monkeypatch.setattr(broker, "broker_if_none_answers", lambda *_, lasts: nullcontext(local if lasts else None))
    monkeypatch.setattr(probe, "wait_for_authenticated_broker", lambda *_: None)
    monkeypatch.setattr(topic_admin, "apply", lambda *_, **how: asked.append(how))
    monkeypatch.setattr(topic_admin, "check", lambda *_: None)
    started: list[str] = []

    def run(*given: Any) -> None:
        started.extend(given[0])
        given[-2]({})  # what is looked after meanwhile

    monkeypatch.setattr(supervise, "run", run)
    ran = freshet("up", "--broker", "--data-dir", tmp_path)
    assert (ran.code, asked) == (0, [{"may_grow": False}])
    assert started == ["profiles", "encoder", "ranker", "learner", "api"]
    assert "it is started again" in ran.err


@pytest.mark.parametrize("command", ["api", "up"])
def test_an_api_that_would_be_open_to_a_network_does_not_start(
    freshet: Freshet, monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setenv("FRESHET_API_HOST", "192.0.2.1")
    ran = freshet(command)
    assert ran.code == 1
    assert "freshet: The HTTP API would be open to everybody who reaches 192.0.2.1." in ran.err


def test_what_is_waited_for_is_said_with_the_reason(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "9")
    now = iter(range(1000))  # a second goes by from one look to the next
    monkeypatch.setattr(probe, "time", SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _: None))

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    ran = freshet("topics", "plan", "--bootstrap", "nobody.invalid:9092")
    first, *_ = ran.err.splitlines()
    assert first.startswith("waiting for the broker at nobody.invalid:9092 (")
    assert first.endswith("of 9 s): the name nobody.invalid cannot be resolved")
    assert ran.code == 1


def test_something_else_that_answers_is_named(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    with socket.create_server(("127.0.0.1", 0)) as web:
        address = f"127.0.0.1:{web.getsockname()[1]}"

        def answer() -> None:
            connection, _ = web.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert "does not speak Kafka's protocol in plain text" in freshet("digest", "--bootstrap", address).err


def test_a_setting_by_its_former_name_is_one_line_on_stderr(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_LETTERS_ALARM", "0.5")
    ran = freshet("config", "show", "--json")
    assert json.loads(ran.out)["dead_letter_alarm_ratio"] == {"value": 0.5, "source": "environment"}
    (notice,) = ran.err.splitlines()
    assert "FRESHET_LETTERS_ALARM is now FRESHET_DEAD_LETTER_ALARM_RATIO" in notice


def test_an_absent_broker_is_two_lines_and_no_traceback(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    ran = freshet("topics", "plan", "--bootstrap", "127.0.0.1:1")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 2)
    assert "freshet broker" in ran.err.splitlines()[1]


def test_an_unforeseen_error_shows_its_traceback_only_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("FRESHET_DEBUG", raising=False)
    assert cli.print_error(ZeroDivisionError("by zero")) == 1
    assert capsys.readouterr().err.splitlines()[0] == "freshet: ZeroDivisionError: by zero"
    monkeypatch.setenv("FRESHET_DEBUG", "1")
    cli.print_error(ZeroDivisionError("by zero"))
    assert capsys.readouterr().err.startswith("ZeroDivisionError: by zero")


@pytest.mark.parametrize("speed", ["fast", "0x", "-1x", "infx", "nanx", "60"])
def test_a_speed_that_is_none_is_refused(freshet: Freshet, tmp_path: Path, speed: str):
    ran = freshet("send", log_of(tmp_path, LIKE), f"--speed={speed}")
    assert ran.code == 2
    assert "is none of 1x, 60x, max" in ran.err
    assert (speed_of("60x"), speed_of("max")) == (60.0, None)


def test_a_log_is_sent_at_the_pace_of_its_own_times():
    now, waits = [100.0], []

    def sleep(seconds: float) -> None:
        waits.append(round(seconds, 3))
        now[0] += seconds

    moments_s = (741, 801, 771, 861)
    lines = list(read_log(LIKE.replace("741000", f"{moment_s}000").encode() for moment_s in moments_s))
    assert list(paced(lines, 60.0, lambda: now[0], sleep)) == lines
    assert waits == [1.0, 1.0]  # the line that goes back in time waits for nothing
