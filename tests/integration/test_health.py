"""What `freshet health` says of real workers, and the end of those that make no progress."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.messages import feedback
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.kafka.waits import Waits
from streams.worker import processes, supervise
from streams.worker.health import STUCK, Status, status_folder, statuses
from tests.support.command import Freshet, freshet
from tests.support.events import watched
from tests.support.forked import forked
from tests.support.system import LIMIT_S, agents, publish, wait_until
from tests.support.workers import hanging_profiles


def put(settings: Settings) -> None:
    event = watched("ana", "v1")
    publish(settings, FEEDBACK, [("ana", feedback.encode(event))])


@pytest.mark.connected
def test_a_worker_is_ready_once_it_reads_and_gone_when_it_has_stopped(settings: Settings, tmp_path: Path) -> None:
    assert freshet(settings, "health", "profiles").returncode == 1
    with agents(settings, tmp_path, "profiles"):
        wait_until("the worker is ready", lambda: [one.state for one in statuses(settings)] == ["ready"])
        told = freshet(settings, "health", "profiles")
        assert told.returncode == 0, told.stderr
        assert "ready" in told.stdout
        assert freshet(settings, "health", "profiles", "ranker").returncode == 1
    assert statuses(settings) == []


@pytest.mark.connected
@pytest.mark.parametrize(
    ("how", "why"),
    [("block", "has stood still"), ("wait", "none has been handled"), ("recover", "have not been ready")],
)
def test_a_worker_that_hangs_ends_and_says_why(settings: Settings, how: str, why: str) -> None:
    settings = settings.model_copy(update={"stuck_s": 5.0})
    put(settings)
    hanging = start_hanging(settings, how)
    try:
        assert hanging.wait(LIMIT_S) == STUCK
    finally:
        processes.stop(hanging, 5)
    assert why in (settings.data_dir / "hanging.log").read_text("utf-8")
    assert statuses(settings) == []


def start_hanging(settings: Settings, how: str) -> subprocess.Popen[bytes]:
    environ = supervise.environment(settings)
    return forked(hanging_profiles.main, [how], environ, settings.data_dir / "hanging.log")


def test_a_wait_is_named_while_it_lasts() -> None:
    waits = Waits()
    with waits.waiting("the index"):
        assert waits.now() == ["the index"]
        assert waits.now(longer_s=60.0) == []
    assert waits.now() == []


def test_the_status_of_a_process_that_is_gone_is_left_out(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    folder = tmp_path / "run" / "freshet"
    folder.mkdir(parents=True)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    old = Status(agent="ranker", pid=gone.pid, state="ready", at_ms=0)
    (folder / "ranker-1.json").write_bytes(msgspec.json.encode(old))
    (folder / "ranker-2.json").write_bytes(b"{")
    assert statuses(settings) == []


HELD = {"open_transactions": {"feedback.v1[2]": 6}}
GROUPLESS = {"state": "unassigned", "trouble": "its group says nothing"}


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (HELD, 0, "ready; 0 records behind; an open transaction on feedback.v1[2] holds back 6"),
        (GROUPLESS, 1, "unassigned; 0 records behind\n  -> its group says nothing"),
    ],
    ids=["an open transaction", "no assignment"],
)
def test_health_names_what_holds_records_back_and_what_is_wrong_with_a_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: dict[str, Any], code: int, said: str
) -> None:
    folder = status_folder(Settings(data_dir=tmp_path))
    folder.mkdir(parents=True)
    common = {"agent": "profiles", "pid": os.getpid(), "state": "ready", "at_ms": int(time.time() * 1000)}
    (folder / "profiles-1.json").write_bytes(msgspec.json.encode(common | status))
    ran = Freshet(capsys)("health", "--data-dir", tmp_path)
    assert (ran.code, ran.out) == (code, f"profiles   {os.getpid():>8}  {said}\n")
