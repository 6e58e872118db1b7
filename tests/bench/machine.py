"""The machine of a measurement, and the CPU time that a process has taken."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.jars import KAFKA
from streams.trouble import Trouble

TICKS = os.sysconf("SC_CLK_TCK")  # a second; so CPU times of other processes come in steps of 10 ms


def machine() -> dict[str, Any]:
    """What decides about figures; the load average is that before the first measurement."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kafka": KAFKA,
        "load_before": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def told(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, Kafka {machine['kafka']}, "
        f"load before {machine['load_before']}, {machine['at']}"
    )


def cpu_seconds(pid: int) -> float:
    """CPU time of a running process so far, user and system, of all its threads.

    >>> 0 < cpu_seconds(os.getpid()) < 100_000
    True
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        cause = f"The CPU time of process {pid} cannot be read: {error.strerror}."
        raise Trouble(cause, "It has ended, or this is not Linux.") from error
    fields = stat.rpartition(")")[2].split()  # a name may hold spaces and brackets; the state comes first
    return (int(fields[11]) + int(fields[12])) / TICKS


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
