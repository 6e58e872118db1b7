"""A process is known by its number, its start and the boot: a number alone is given to another one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from schemas.settings.model import Settings
from streams.worker.health import Status, status_folder, statuses
from streams.worker.process_identity import ProcessIdentity, identity_of, is_alive

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(settings: Settings, one: ProcessIdentity, age_s: float = 3600.0) -> Path:
    """A status file that a worker of this identity left behind."""
    folder = status_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    status = Status(agent="ranker", pid=one.pid, state="ready", at_ms=0, started=one.started, boot=one.boot)
    file = folder / f"ranker-{one.pid}.json"
    file.write_bytes(msgspec.json.encode(status))
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def test_this_process_is_alive() -> None:
    me = identity_of(os.getpid())
    assert me is not None
    assert is_alive(me)


def test_a_process_that_has_ended_is_not() -> None:
    assert identity_of(gone()) is None
    assert not is_alive(ProcessIdentity(gone()))


@needs_proc
def test_a_number_that_was_given_to_another_process_is_not_the_one_that_had_it() -> None:
    me = identity_of(os.getpid())
    assert me is not None
    assert not is_alive(me._replace(started=me.started - 1))
    assert not is_alive(me._replace(boot="another boot"))


@needs_proc
def test_a_name_with_spaces_and_brackets_hides_no_start_time(tmp_path: Path) -> None:
    strange = tmp_path / "a) b (c 1 2 3"
    strange.symlink_to("/bin/sleep")
    with subprocess.Popen([strange, "60"]) as process:
        one = identity_of(process.pid)
        process.kill()
    me = identity_of(os.getpid())
    assert one is not None and me is not None
    assert me.started < one.started < me.started + 1_000_000


@needs_proc
def test_files_of_killed_workers_are_passed_over_and_removed_also_where_their_number_is_used_again(
    tmp_path: Path,
) -> None:
    settings, me = Settings(data_dir=tmp_path), identity_of(os.getpid())
    assert me is not None
    dead = [left(settings, ProcessIdentity(gone(), number, me.boot)) for number in range(20)]
    dead.append(left(settings, me._replace(started=me.started - 1)))
    assert statuses(settings) == []
    assert not any(file.exists() for file in dead)
    mine = left(settings, me)
    assert [one.pid for one in statuses(settings)] == [me.pid]
    assert mine.exists()


@needs_proc
def test_a_file_that_is_still_written_stays_for_its_process_may_run_in_another_container(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    file = left(settings, ProcessIdentity(gone(), 1, "boot"), age_s=0.0)
    assert statuses(settings) == []
    assert file.exists()


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    folder = status_folder(settings)
    folder.mkdir(parents=True)
    for name in ("ranker-1.new", "ranker-2.json"):
        (folder / name).write_bytes(b"{")
        os.utime(folder / name, (0, 0))
    assert statuses(settings) == []
    assert list(folder.iterdir()) == []


def test_a_status_of_an_earlier_release_is_known_by_its_number_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    status_folder(settings).mkdir(parents=True)
    old = {"agent": "ranker", "pid": os.getpid(), "state": "ready", "at_ms": 0}
    (status_folder(settings) / "ranker-7.json").write_text(json.dumps(old))
    assert [one.pid for one in statuses(settings)] == [os.getpid()]
