"""The command line: what it prints, how it exits, and how it stops what it started."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.topics import DEAD_LETTERS, FEEDBACK, TOPICS, UPLOADS
from streams import cli
from streams.cli.logs import speed_of
from streams.kafka import topic_admin
from streams.local.broker import HOST, LocalBroker, free_port
from streams.logs.jsonl import read_log
from streams.logs.send import paced
from tests.support.brokers import CACHE, broker_in, settings_for
from tests.support.paths import ROOT

LIKE = '{"kind":"like","user_id":"u1","video_id":"v1","at_ms":1650812741000,"unknown_field":1}'
UPLOAD = '{"kind":"upload","video_id":"v1","at_ms":1650812740000,"title":"Street food"}'
NO_TIME = '{"kind":"skip","user_id":"u1","video_id":"v1"}'


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Freshet:
    """Runs commands in this process, in an empty folder and without FRESHET_ variables."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)


@pytest.fixture
def freshet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Freshet:
    for name in [name for name in os.environ if name.startswith("FRESHET_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Freshet(capsys)


def log_of(folder: Path, *lines: str) -> Path:
    file = folder / "log.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_help_lists_every_command(freshet: Freshet):
    ran = freshet("--help")
    assert ran.code == 0
    for command in ("broker", "config", "export", "send", "topics", "up", "validate", "watch", "worker"):
        assert f"\n  {command} " in ran.out


def test_help_imports_nothing_heavy():
    heavy = "aiokafka faust kafka numpy pydantic qdrant_client rich.console"
    script = f"import sys, streams.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


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
        "kinds": {"like": 1, "upload": 1},
        "first_ms": 1650812740000,
        "last_ms": 1650812741000,
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


def test_a_bad_setting_is_two_lines_and_no_traceback(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_PARTITIONS", "many")
    ran = freshet("config", "show")
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 2)
    assert ran.err.startswith("freshet: FRESHET_PARTITIONS cannot be 'many'")


def test_a_setting_by_its_former_name_is_one_line_on_stderr(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_LETTERS_ALARM", "0.5")
    ran = freshet("config", "show", "--json")
    assert json.loads(ran.out)["dead_letter_alarm_ratio"] == {"value": 0.5, "source": "environment"}
    (notice,) = ran.err.splitlines()
    assert "FRESHET_LETTERS_ALARM is now FRESHET_DEAD_LETTER_ALARM_RATIO" in notice


def test_an_absent_broker_is_two_lines_and_no_traceback(freshet: Freshet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    ran = freshet("topics", "plan", "--bootstrap", f"{HOST}:{free_port()}")
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


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    with broker_in(tmp_path_factory.mktemp("cli")) as broker:
        yield broker


def records(broker: LocalBroker, topic: str, partitions: int) -> list[tuple[bytes, bytes]]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=1000)
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    consumer.seek_to_beginning()
    found = [(record.key, record.value) for record in consumer]
    consumer.close()
    return found


@pytest.mark.connected
def test_topics_are_planned_checked_and_applied(freshet: Freshet, kafka: LocalBroker):
    common = ("--bootstrap", kafka.bootstrap, "--prefix", "cli.")
    planned = freshet("topics", "plan", "--json", *common)
    assert planned.code == 0
    assert {difference["action"] for difference in json.loads(planned.out)} == {"create"}
    assert freshet("topics", "check", *common).code == 1
    assert freshet("topics", "apply", *common).code == 0
    assert freshet("topics", "check", *common).code == 0
    again = freshet("topics", "apply", *common, "--json")
    assert json.loads(again.out) == {"differences": [], "refused": []}


@pytest.mark.connected
def test_a_sent_log_arrives_under_its_keys_as_it_was_written(freshet: Freshet, kafka: LocalBroker, tmp_path: Path):
    settings = settings_for(kafka, prefix="sent.", partitions=2)
    common = ("--bootstrap", kafka.bootstrap, "--prefix", "sent.")
    file = log_of(tmp_path, UPLOAD, LIKE, NO_TIME)
    early = freshet("send", file, *common)
    assert early.code == 1
    assert "topics apply" in early.err
    topic_admin.apply(settings, TOPICS, lambda _: None)
    ran = freshet("send", file, *common, "--json")
    assert ran.code == 1  # a line was left out, and is named
    assert "line 3: at_ms: schema" in ran.err
    assert json.loads(ran.out) == {"confirmed": {"sent.feedback.v1": 1, "sent.uploads.v1": 1}, "left_out": 1}
    assert records(kafka, FEEDBACK.full("sent."), 2) == [(b"u1", LIKE.encode())]
    assert records(kafka, UPLOADS.full("sent."), 2) == [(b"v1", UPLOAD.encode())]
    assert records(kafka, DEAD_LETTERS.full("sent."), 2) == []


@pytest.mark.connected
def test_watch_shows_one_persons_slates(freshet: Freshet, kafka: LocalBroker):
    settings = settings_for(kafka, prefix="seen.")
    topic_admin.apply(settings, TOPICS, lambda _: None)
    slate = {
        "schema_version": "1.0",
        "recommendation_id": "r-1",
        "user_id": "u42",
        "version": 7,
        "generated_at_ms": 1650812741210,
        "expires_at_ms": 1650814541210,
        "trigger": {"event_id": "e", "topic": "t", "partition": 3, "offset": 991, "at_ms": 1650812741000},
        "models": {},
        "timings_ms": {},
        "degraded": ["profile"],
        "items": [
            {
                "rank": 1,
                "video_id": "v9",
                "score": 0.8312,
                "p": {},
                "propensity": 1.0,
                "sources": ["trending"],
                "reasons": [{"code": "similar_to", "video_id": "v3", "weight": 0.4}],
            }
        ],
        "exhausted": False,
    }
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    for user_id, value in [("u41", b"{}"), ("u42", json.dumps(slate).encode()), ("u42", None)]:
        producer.send("seen.recommendations.v1", value, key=user_id.encode()).get(10)
    producer.close()
    options = ("watch", "u42", "--from-start", "--count", 2, "--bootstrap", kafka.bootstrap, "--prefix", "seen.")
    first, second = map(json.loads, freshet(*options, "--json").out.splitlines())
    assert first == slate
    assert second == {"user_id": "u42", "erased": True}
    text = freshet(*options).out
    assert "u42 version 7, 210 ms after t[3]@991, without profile" in text
    assert "v9" in text
    assert "similar_to v3" in text
    assert text.endswith("u42: erased\n")


@pytest.mark.connected
def test_the_broker_command_says_where_it_is_and_stops_in_order(kafka: LocalBroker, tmp_path: Path):
    environ = {**os.environ, "FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir)}
    port = str(free_port())
    command = [sys.executable, "-m", "streams.cli", "broker", "--port", port, "--data-dir", str(tmp_path), "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        started = json.loads(running.stdout.readline())
        assert started["bootstrap"] == f"{HOST}:{port}"
        running.send_signal(signal.SIGTERM)
        assert running.wait(15) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(started["pid"], 0)
