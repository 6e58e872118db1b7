"""`freshet up`: all agents run side by side, and all stop: at Ctrl-C, or when one of them dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.worker import processes, supervise
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
    def gone() -> None:
        raise OperatorError("Kafka ended again.", "Read its log.")

    with pytest.raises(OperatorError, match="Kafka ended again"):
        supervise.run({"a": SLEEPER}, os.environ, lambda _: None, lambda _: None, gone)


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
        "from streams.cli.options import echo_err, treat_sigterm_as_ctrl_c\n"
        "treat_sigterm_as_ctrl_c()\n"
        f"sleeper = {SLEEPER!r}\n"
        "try:\n"
        "    supervise.run({'a': sleeper, 'b': sleeper}, os.environ, lambda line: print(line, flush=True), echo_err)\n"
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
