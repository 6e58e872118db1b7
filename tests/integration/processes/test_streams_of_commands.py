"""Where commands write to and read from: closed pipes, full disks, closed streams, locales, unusable folders."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from schemas.settings.load import load
from streams.errors import OperatorError
from streams.worker import supervise
from tests.support.command import LIMIT_S, Freshet
from tests.support.paths import ROOT

FRESHET = [sys.executable, "-m", "streams.cli"]


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line for bash, in which `freshet` is the command."""
    script = f'set -o pipefail; freshet() {{ {shlex.join(FRESHET)} "$@"; }}; {line}'
    given = {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")}
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env={**given, **variables},
        capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip


def test_a_closed_pipe_ends_a_command_quietly_with_the_status_of_sigpipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)  # it has gone before the first line
    ran = subprocess.run([*FRESHET, "config", "show"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=LIMIT_S)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize(
    "before, returned",
    [("default_int_handler", -signal.SIGINT), ("SIG_IGN", 0)],
    ids=["as Python has it", "ignored, as in the background"],
)
def test_ctrl_c_while_a_command_is_imported_prints_nothing(before: str, returned: int) -> None:
    script = f"""if True:
        import os, signal, sys
        class Interrupted:
            def find_spec(self, name, *_):
                if name == "streams.cli.watch":  # one of the last
                    os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, signal.{before})
        sys.meta_path.insert(0, Interrupted())
        had = signal.getsignal(signal.SIGINT)
        import streams.cli
        assert signal.getsignal(signal.SIGINT) is had
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (returned, "", "")


def test_a_full_disk_is_one_sentence() -> None:
    ran = shell("freshet config show --json > /dev/full")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0] == "freshet: No space left on device."
    assert "Make room" in ran.stderr and len(ran.stderr.splitlines()) == 2


def test_closed_streams_change_nothing(tmp_path: Path) -> None:
    assert shell("freshet config show --json <&- >&- 2>&-").returncode == 0
    assert shell(f"freshet config show --json <&- 2>&- > {tmp_path}/out").returncode == 0
    assert (tmp_path / "out").read_text().startswith('{"bootstrap":')
    ran = shell("freshet forget - <&-")
    assert (ran.returncode, "$.user_id is empty" in ran.stderr) == (2, True)


@pytest.mark.parametrize("locale", ["C", "tr_TR.UTF-8"])
def test_neither_locale_nor_time_zone_terminal_or_colours_change_what_is_printed(locale: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "daten-ü")
    usual = shell("freshet config show", FRESHET_DATA_DIR=folder, LC_ALL="C.UTF-8")
    others = {"LC_ALL": locale, "TZ": "Asia/Kathmandu", "COLUMNS": "1", "TERM": "dumb", "FORCE_COLOR": "1"}
    ran = shell("freshet config show", FRESHET_DATA_DIR=folder, **others)
    said = [line for line in ran.stderr.splitlines() if not line.startswith("bash: ")]  # which has no such locale
    assert (ran.returncode, said, ran.stdout) == (0, [], usual.stdout)
    assert "daten-ü" in ran.stdout and "\x1b" not in ran.stdout


@pytest.mark.parametrize("command", [["up"], ["worker", "profiles"], ["broker", "--port", "29093"]])
def test_a_data_folder_that_cannot_be_made_is_named(
    freshet: Freshet, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FRESHET_BROKER_WAIT_S", "0")
    ran = freshet(*command, "--data-dir", tmp_path / "file" / "below", "--bootstrap", "127.0.0.1:1")
    assert ran.code == 1 and "Traceback" not in ran.err
    assert "Not a directory" in ran.err or "No Kafka broker" in ran.err


def test_a_second_up_on_the_same_data_folder_is_refused_and_one_of_another_prefix_is_not(tmp_path: Path) -> None:
    settings = load({"data_dir": tmp_path}, {}, None).settings
    other = settings.model_copy(update={"prefix": "other."})
    again = pytest.raises(OperatorError, match=r"runs already on .* with the prefix 'freshet\.'")
    with supervise.only_one(settings), supervise.only_one(other), again, supervise.only_one(settings):
        pass
    with supervise.only_one(settings):
        pass


def test_an_agents_pipe_is_read_on_when_nobody_takes_its_lines() -> None:
    def nobody(_: str) -> None:
        raise BrokenPipeError

    talking = [sys.executable, "-c", "for n in range(100_000): print('a line that somebody may want', n)"]
    ended: list[str] = []

    def run() -> None:
        with pytest.raises(OperatorError) as caught:
            supervise.run({"ranker": talking}, os.environ, nobody, lambda _: None)
        ended.append(caught.value.cause)

    running = threading.Thread(target=run, daemon=True)
    running.start()
    running.join(LIMIT_S)
    assert ended == ["ranker ended with exit code 0; the others are stopped."]
