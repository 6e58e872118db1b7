"""Which process a number means: it is given to another one after a crash, and after a restart of the machine."""

import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
START_TIME = 19  # field 22 of /proc/[pid]/stat, counted from behind the name, which may hold spaces (man 5 proc)


class ProcessIdentity(NamedTuple):
    """A process and no other: its number, when it started (clock ticks since boot), and which boot that was.

    Where the system has no /proc, the last two are 0 and empty.
    """

    pid: int
    started: int = 0
    boot: str = ""


def identity_of(pid: int) -> ProcessIdentity | None:
    """The process that has this number now; None where there is none."""
    if not (PROC / "self").exists():
        return ProcessIdentity(pid) if _accepts_signals(pid) else None
    try:
        behind_name = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = (PROC / "sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return None
    return ProcessIdentity(pid, int(behind_name[START_TIME]), boot)


def is_alive(one: ProcessIdentity) -> bool:
    """Whether this very process still runs; of one that was noted down without its start, whether any does."""
    now = identity_of(one.pid)
    return now is not None and (one == now or one == ProcessIdentity(one.pid))


def _accepts_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
