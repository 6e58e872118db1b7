"""`freshet up`: all agents run side by side, and all stop: at Ctrl-C, or when one of them dies."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from schemas.settings.model import Settings
from streams.errors import OperatorError
from streams.worker import processes, restarts, supervise
from streams.worker.health import Status
from streams.worker.readiness import Readiness, api_is_ready
from streams.worker.restarts import Restarts
from tests.support.brokers import CACHE
from tests.support.command import LIMIT_S
from tests.support.paths import ROOT

SLEEPER = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(3600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(3600)",
]


def test_when_one_process_dies_it_is_named_and_the_others_are_stopped():
    said: list[str] = []
    dying = [sys.executable, "-c", "import sys; print('oh'); sys.exit(3)"]
    written: list[str] = []
    with pytest.raises(OperatorError, match="ranker ended with exit code 3"):
        supervise.run({"profiles": SLEEPER, "ranker": dying}, os.environ, written.append, said.append)
    pid = int(said[0].removeprefix("profiles started (process ").removesuffix(")"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "ranker   | oh" in written


def test_lines_of_json_are_passed_on_as_they_are():
    said: list[str] = []
    script = "import json; print(json.dumps({'level': 'INFO'})); print('Traceback'); raise SystemExit(3)"
    environ = {**os.environ, "FRESHET_LOG_FORMAT": "json"}
    with pytest.raises(OperatorError):
        supervise.run({"ranker": [sys.executable, "-c", script]}, environ, said.append, lambda _: None)
    assert said == ['{"level": "INFO"}', "ranker   | Traceback"]


def test_once_nobody_reads_the_output_the_processes_go_on():
    talkative = [sys.executable, "-c", "for _ in range(100_000): print('a line of some length')"]  # pipes hold 64 KiB

    def write(line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(OperatorError, match="ranker ended with exit code 0"):
        supervise.run({"ranker": talkative}, os.environ, write, lambda _: None)


def test_up_goes_on_where_its_reader_has_ended():
    script = (
        "import os, sys\n"
        "from streams.worker import supervise\n"
        "from streams.cli.options import echo_out\n"
        "talkative = [sys.executable, '-c', 'for _ in range(30_000): print(\"a line of some length\")']\n"
        "try:\n"
        "    supervise.run({'a': talkative}, os.environ, echo_out, lambda _: None)\n"
        "except Exception as error:\n"
        "    print(error.cause, file=sys.stderr)\n"
    )
    command = (
        f"{sys.executable} -c '{script.replace(chr(39), chr(39) + chr(34) + chr(39) + chr(34) + chr(39))}' | head -1"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.stdout == "a        | a line of some length\n"
    assert done.stderr == "a ended with exit code 0; the others are stopped.\n"
    assert done.returncode == 0  # and not the 120 of an interpreter that cannot flush


def test_what_is_looked_after_meanwhile_may_end_all():
    def gone(_: supervise.Processes) -> None:
        raise OperatorError("Kafka ended again.", "Read its log.")

    with pytest.raises(OperatorError, match="Kafka ended again"):
        supervise.run({"a": SLEEPER}, os.environ, lambda _: None, lambda _: None, gone)


def test_what_ends_is_started_again_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(restarts, "FIRST_DELAY_S", 0.05)
    script = "import pathlib, sys; f = pathlib.Path(sys.argv[1]); n = len(f.read_text()); f.write_text('x' * (n + 1))"
    count = tmp_path / "starts"
    count.write_text("")
    dying = [sys.executable, "-c", f"{script}; sys.exit(3) if n < 2 else __import__('time').sleep(3600)", str(count)]
    said: list[str] = []
    kept: set[int] = set()

    def until_it_stays(running: supervise.Processes) -> None:
        kept.add(running["profiles"].pid)
        if len(count.read_text()) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commands = {"profiles": SLEEPER, "ranker": dying}
        supervise.run(commands, os.environ, lambda _: None, said.append, until_it_stays, Restarts())
    assert [line for line in said if "again" in line] == [
        "ranker ended with exit code 3; it is started again in 0.05 s",
        "ranker ended with exit code 3; it is started again in 0.1 s",
    ]
    assert len(kept) == 1
    for pid in kept:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_never_stays_is_given_up_and_so_is_what_only_a_person_can_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(restarts, "FIRST_DELAY_S", 0.01)
    for status, starts in ((1, restarts.MOST_AT_ONCE), (restarts.NEEDS_A_PERSON, 1)):
        said: list[str] = []
        dying = [sys.executable, "-c", f"raise SystemExit({status})"]
        with pytest.raises(OperatorError, match=f"ranker ended with exit code {status}; the others are stopped"):
            supervise.run({"ranker": dying}, os.environ, lambda _: None, said.append, restarts=Restarts())
        assert sum("started (" in line for line in said) == starts


def test_once_all_are_ready_it_says_so_and_what_to_do_next():
    said: list[str] = []
    found: list[Status] = []
    clock = iter(range(100))
    is_up = False
    told: list[tuple[int, str | None]] = []
    readiness = Readiness(
        Settings(), said.append, lambda: float(next(clock)), lambda _: found, lambda _: is_up,
        on_ready=lambda ready, page: told.append((len(ready), page)),
    )  # fmt: skip
    running = {name: processes.start(SLEEPER, subprocess.DEVNULL) for name in ("profiles", "ranker", "api")}
    try:
        common = {"at_ms": 0, "agent": "ranker", "state": "ready"}
        found += [Status(**{**common, "agent": "profiles"}, pid=running["profiles"].pid, metrics="http://here/metrics")]
        found += [Status(**common, pid=1)]  # another one, started by hand
        readiness.look(running)
        assert said == []
        waiting = {**common, "state": "waiting", "waits_for": ["the first video"]}
        found += [Status(**waiting, pid=running["ranker"].pid)]
        readiness.look(running)
        assert said == []  # the HTTP API does not answer yet
        is_up = True
        readiness.look(running)
        assert said[0].startswith("all 2 workers are ready after ")
        assert said[1:3] == ["  profiles  http://here/metrics", "  ranker    waits for the first video"]
        assert said[3] == "  page      http://127.0.0.1:8090/"
        assert "freshet watch" in said[4] and len(said) == 5
        processes.stop(running["ranker"], 5)
        running["ranker"] = processes.start(SLEEPER, subprocess.DEVNULL)
        readiness.look(running)
        assert len(said) == 5
        found[-1] = Status(**common, pid=running["ranker"].pid)
        readiness.look(running)
        assert said[5:] == ["ranker is ready again"]
        assert told == [(2, "http://127.0.0.1:8090/")]
    finally:
        supervise.stop_all(running, print)


def test_an_api_on_any_free_port_is_taken_for_ready_and_who_speaks_no_http_for_none():
    assert api_is_ready(Settings(api_port=0))
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"no HTTP at all\r\n")

        speaking = Thread(target=answer)
        speaking.start()
        assert not api_is_ready(Settings(api_port=other.getsockname()[1]))
        speaking.join()


@pytest.mark.parametrize(
    ("given", "served"),
    [("", "9464-9563"), ("9500", "9500-9599"), ("7000-7001", "7000-7001"), ("65530", "65530-65535")],
)
def test_every_worker_of_up_finds_a_port_of_its_own(given: str, served: str):
    assert supervise.with_metrics(Settings(metrics_port=given)).metrics_port == served


def test_a_process_that_does_not_stop_is_killed_and_named():
    process = processes.start(STUBBORN, subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    said: list[str] = []
    supervise.stop_all({"encoder": process}, said.append, limit_s=0.5)
    assert process.returncode == -signal.SIGKILL
    assert said == ["encoder did not stop; killed"]
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_every_process(number: signal.Signals):
    script = (
        "import os, sys\n"
        "from streams.worker import supervise\n"
        "from typer import echo\n"  # writes a line at once, where print() of two threads mixes lines and their ends
        "from streams.cli.options import echo_err, treat_sigterm_as_ctrl_c\n"
        "treat_sigterm_as_ctrl_c()\n"
        f"sleeper = {SLEEPER!r}\n"
        "try:\n"
        "    supervise.run({'a': sleeper, 'b': sleeper}, os.environ, echo, echo_err)\n"
        "except KeyboardInterrupt:\n"
        "    echo_err('all stopped')\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        assert {running.stdout.readline(), running.stdout.readline()} == {"a        | ready\n", "b        | ready\n"}
        running.send_signal(number)
        assert running.wait(LIMIT_S) == 0
        said = running.stderr.read().splitlines()
    assert said[-1] == "all stopped"
    for line in said[:2]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.split("process ")[1].removesuffix(")")), 0)


def test_agents_get_the_settings_that_flags_have_changed(tmp_path: Path):
    settings = CACHE.settings.model_copy(update={"prefix": "mine.", "data_dir": tmp_path})
    environ = supervise.environment(settings)
    assert (environ["FRESHET_PREFIX"], environ["FRESHET_DATA_DIR"]) == ("mine.", str(tmp_path))
    assert environ["FRESHET_QDRANT_API_KEY"] == ""  # whatever stands around us


def test_agents_get_a_setting_by_its_current_name_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRESHET_LETTERS_ALARM", "0.5")
    environ = supervise.environment(CACHE.settings.model_copy(update={"dead_letter_alarm_ratio": 0.5}))
    assert environ["FRESHET_DEAD_LETTER_ALARM_RATIO"] == "0.5"
    assert "FRESHET_LETTERS_ALARM" not in environ  # or each of them would repeat the notice
