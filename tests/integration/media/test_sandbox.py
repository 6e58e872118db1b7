"""The process that decodes: what it may not do, and what is left of it when it tried."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from encoders.media.sandbox_client import MediaReader
from encoders.media.types import Limits, MediaError
from tests.support.paths import ROOT

ACT = "tests.support.hostile_decoders:act"
LINUX = sys.platform == "linux"
SMALL = Limits(memory=64 << 20, cpu_s=1, wall_s=300.0)  # on a busy machine a second of CPU takes many

pytestmark = pytest.mark.skipif(not LINUX, reason="asks /proc; the limits are Linux's")


@pytest.fixture(scope="module")
def reader() -> Iterator[MediaReader]:
    with MediaReader(SMALL, ACT) as reader:
        yield reader


def refusal(reader: MediaReader, order: str, wall_s: float | None = None) -> str:
    with pytest.raises(MediaError) as caught:
        reader.read(order.encode(), wall_s)
    return str(caught.value)


def pid_of(reader: MediaReader) -> int:
    assert reader._running is not None
    return reader._running.process.pid


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(holds: Callable[[], bool]) -> None:
    """Wait for what must come; the limit only keeps a broken test from running for ever."""
    ends = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Ended; a process that only waits to be asked for its status counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_limits_are_set_in_the_fork_and_nothing_of_ours_is_there(
    reader: MediaReader,
) -> None:
    told = json.loads(refusal(reader, "tell"))
    limits = {kind: tuple(pair) for kind, pair in told["limits"].items()}
    space = limits.pop("AS")
    assert limits == {"CORE": (0, 0), "CPU": (1, 2), "FSIZE": (0, 0), "NOFILE": (0, 0), "NPROC": (0, 0)}
    assert SMALL.memory < space[0] == space[1] < SMALL.memory + (1 << 30)
    assert len(told["open"]) == 2  # the file, and what says that the fork lives
    assert told["environment"] == ["ORT_DISABLE_TELEMETRY"]  # which encoders sets for every process
    assert told["user"] != 0
    assert told["no_new_rights"] == 1


def test_no_password_of_our_environment_reaches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_KAFKA_PASSWORD", "swordfish")
    with MediaReader(SMALL, ACT) as reader:
        refusal(reader, "answer")
        assert b"swordfish" not in Path(f"/proc/{pid_of(reader)}/environ").read_bytes()


def test_whether_the_process_has_left_the_network_is_told(reader: MediaReader) -> None:
    refusal(reader, "answer")
    assert reader._running is not None
    ours, its = (Path(f"/proc/{pid}/ns/net").readlink() for pid in (os.getpid(), pid_of(reader)))
    assert (ours == its) is reader._running.network


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("eat", "needs more than 64 MiB of memory"),
        ("spin", "took more than 1 s of CPU"),
        ("crash", "ended by SIGSEGV"),
        ("exit", "ended by exit code 7"),
        ("fork", "BlockingIOError"),
        ("thread", "can't start new thread"),
        ("read a file", "Too many open files"),
        ("connect", "Too many open files"),
        ("write", "File too large"),
        ("run", "Resource temporarily unavailable|Too many open files|ended by"),
        ("raise a limit", "not allowed to raise maximum limit"),
    ],
)
def test_what_a_decoder_may_not_do_ends_in_a_media_error_and_the_next_file_is_read(
    reader: MediaReader, order: str, said: str
) -> None:
    refusal(reader, "answer")
    pid = pid_of(reader)
    assert re.search(said, refusal(reader, order))
    assert refusal(reader, "answer") == "done"
    assert pid_of(reader) == pid
    assert children(pid) == []


@pytest.mark.parametrize("order", ["sleep", "let go"])
def test_a_fork_that_does_not_come_back_is_ended_at_the_deadline(order: str) -> None:
    with MediaReader(SMALL, ACT) as reader:
        said = refusal(reader, order, wall_s=1.0)
        assert "longer than 1 s" in said or "SIGKILL" in said
        assert children(pid_of(reader)) == []
        assert refusal(reader, "answer") == "done"


def test_memory_that_was_eaten_is_bounded_and_given_back(reader: MediaReader) -> None:
    refusal(reader, "answer")
    assert reader.last is not None
    before_kib = reader.last.memory_kib
    refusal(reader, "eat")
    assert reader.last.memory_kib - before_kib <= SMALL.memory / 1024
    refusal(reader, "answer")
    assert reader.last.memory_kib == pytest.approx(before_kib, rel=0.1)


def test_what_a_decoder_says_is_short_and_printable(reader: MediaReader) -> None:
    said = refusal(reader, "say much")
    assert len(said) <= 300 and said.isprintable()


def test_after_closing_no_process_and_no_file_is_left() -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    reader = MediaReader(SMALL, ACT)
    refusal(reader, "answer")
    pid = pid_of(reader)
    reader.close()
    assert not Path(f"/proc/{pid}").exists()  # waited for: no zombie
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert refusal(reader, "answer") == "done"  # and it starts again when it is asked
    reader.close()


def test_a_process_that_is_gone_is_started_again(reader: MediaReader) -> None:
    refusal(reader, "answer")
    os.kill(pid_of(reader), signal.SIGKILL)
    until(lambda: is_gone(pid_of(reader)))
    assert refusal(reader, "answer") == "done"


def test_a_process_that_is_ended_while_it_works_costs_that_file_alone() -> None:
    with MediaReader(SMALL, ACT) as reader, ThreadPoolExecutor(1) as beside:
        refusal(reader, "answer")
        pid = pid_of(reader)
        reading = beside.submit(reader.read, b"sleep")
        until(lambda: bool(children(pid)))
        (fork,) = children(pid)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(MediaError, match="the decoding process is gone") as caught:
            reading.result()
        assert caught.value.passing
        until(lambda: is_gone(fork))  # it goes with the process that made it
        assert refusal(reader, "answer") == "done"


def test_closing_ends_a_reading_that_another_thread_is_in() -> None:
    reader = MediaReader(Limits(wall_s=600), ACT)
    refusal(reader, "answer")
    pid = pid_of(reader)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(reader.read, b"sleep")
        until(lambda: bool(children(pid)))
        (fork,) = children(pid)
        reader.close()
        with pytest.raises(MediaError, match="is gone") as caught:
            reading.result()
    assert caught.value.passing
    until(lambda: is_gone(pid) and is_gone(fork))


def test_without_limits_nothing_is_decoded_and_it_is_not_the_files_fault() -> None:
    with (
        MediaReader(Limits(memory=2**63 - 1), ACT) as reader,
        pytest.raises(RuntimeError, match="limits could not be set"),
    ):
        reader.read(b"answer")


LEFT = """
import sys, threading, time
from encoders.media.types import Limits
from encoders.media.sandbox_client import MediaReader
reader = MediaReader(Limits(wall_s=600), "tests.support.hostile_decoders:act")
try: reader.read(b"answer")
except Exception: print(reader._running.process.pid, flush=True)
reader.read(b"sleep")
"""


def test_when_we_are_killed_the_process_and_its_fork_end_too() -> None:
    environ = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", LEFT], stdout=subprocess.PIPE, text=True, env=environ) as ours:
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        until(lambda: bool(children(pid)))
        (fork,) = children(pid)
        ours.kill()
    until(lambda: is_gone(pid) and is_gone(fork))


def test_several_threads_may_read(reader: MediaReader) -> None:
    with ThreadPoolExecutor(4) as beside:
        assert set(beside.map(lambda _: refusal(reader, "answer"), range(20))) == {"done"}


def test_work_that_does_not_exist_is_a_fault_of_ours_and_not_of_the_file(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        MediaReader(SMALL, "tests.support.hostile_decoders:nothing") as reader,
        pytest.raises(RuntimeError, match="no decoding process"),
    ):
        reader.read(b"answer")
    assert "nothing" in capfd.readouterr().err
