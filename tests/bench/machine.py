"""The machine of a measurement, and the CPU time that a process has taken."""

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from streams.errors import OperatorError
from streams.local.jars import KAFKA

PEERS = Path(sys.prefix) / "peers"  # Quix Streams in an environment of its own: its pins are not ours
LIBRARIES = ("faust-streaming", "aiokafka", "confluent-kafka")
TICKS = os.sysconf("SC_CLK_TCK")  # a second; so CPU times of other processes come in steps of 10 ms


def machine() -> dict[str, Any]:
    """What decides about figures; the load average is that before the first measurement."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "used_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "kafka": KAFKA,
        "libraries": libraries(),
        "load_before": load(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def load() -> float:
    """The load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def libraries() -> dict[str, str]:
    """Versions of what the engines stand on; of Quix Streams as far as the peers' environment is there."""
    of_peers = [str(folder) for folder in PEERS.glob("lib/*/site-packages")]
    peers = {one.name: one.version for one in metadata.distributions(path=of_peers, name="quixstreams")}
    return {name: metadata.version(name) for name in LIBRARIES} | peers


def told(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    return (
        f"{machine['cpu']}, {machine['used_cores']} of {machine['cores']} cores, Python {machine['python']}, "
        f"Kafka {machine['kafka']}, "
        f"{', '.join(f'{name} {version}' for name, version in machine['libraries'].items())}, "
        f"load before {machine['load_before']}, {machine['at']}"
    )


def cpu_seconds(pid: int) -> float:
    """CPU time so far of a running process and its children, user and system, all threads.

    Freshet starts each process in a session of its own, so its children are known by that session; those that have
    ended count with whoever waited for them.

    >>> 0 < cpu_seconds(os.getpid()) < 100_000
    True
    """
    stats = {path.parent.name: _stat(path) for path in Path("/proc").glob("[0-9]*/stat")}
    if not stats.get(str(pid)):
        cause = f"The CPU time of process {pid} cannot be read."
        raise OperatorError(cause, "It has ended, or this is not Linux.")
    family = [fields for name, fields in stats.items() if fields and (name == str(pid) or fields[3] == str(pid))]
    return sum(int(ticks) for fields in family for ticks in fields[11:15]) / TICKS


def _stat(path: Path) -> list[str]:
    """Fields of a process's stat from its state on; a name before may hold spaces and brackets. Empty: it has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def on_two_cores() -> None:
    """Keep this process, and all that it starts, on two cores: what is compared is what two cores can do."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
