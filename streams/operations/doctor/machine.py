"""This machine: room on its disks, and Java where a local broker is wanted."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from schemas.settings.kafka_security import is_loopback
from schemas.settings.model import Settings
from streams.kafka.probe import addresses, is_broker_ready
from streams.operations.doctor.finding import Finding, fail, ok, warn

FULL_BYTES, SHORT_BYTES = 200_000_000, 2_000_000_000
OLDEST_JAVA = 17
JAVA_LIMIT_S = 10.0
INSTALL_JAVA = (
    "Debian, Ubuntu: apt-get install openjdk-17-jre-headless maven; or use Docker: docker compose up -d kafka."
)

FreeBytes = Callable[[Path], int]
Find = Callable[[str], str | None]


def free_bytes(folder: Path) -> int:
    """Room in a folder for this user."""
    return shutil.disk_usage(folder).free


def check_disk(settings: Settings, free: FreeBytes = free_bytes) -> Iterator[Finding]:
    """Folders that are written: whether they may be, and how much room there is."""
    for name, folder in (("data_dir", settings.data_dir), ("cache_dir", settings.cache_dir)):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        room, where = free(there), f"{folder} ({name})"
        if not os.access(there, os.W_OK):
            yield fail(
                "disk", f"{where} may not be written by this user", f"Change its owner, or set {_variable(name)}."
            )
        elif room < FULL_BYTES:
            remedy = f"Make room, or name another folder: {_variable(name)}."
            yield fail("disk", f"{where} has {room / 1e6:.0f} MB left: the disk is full", remedy)
        elif room < SHORT_BYTES:
            yield warn("disk", f"{where} has {room / 1e9:.1f} GB left", "Make room before a local broker fills it.")
        else:
            yield ok("disk", f"{where} has {room / 1e9:.0f} GB left")


def check_java(settings: Settings, find: Find = shutil.which) -> Iterator[Finding]:
    """Java and Maven, which a local broker needs; not looked for where the broker is elsewhere, or runs already."""
    if not all(is_loopback(host) for host, _ in addresses(settings.bootstrap)):
        yield ok("java", "not needed: the broker is on another machine")
        return
    if any(is_broker_ready(host, port) for host, port in addresses(settings.bootstrap)):
        yield ok("java", "not needed: a broker runs here already")
        return
    missing = [name for name in ("java", "mvn") if find(name) is None]
    if missing:
        found = f"no broker runs here, and a local one needs {' and '.join(missing)}, not found on the PATH"
        yield fail("java", found, INSTALL_JAVA)
        return
    version = _java_version(find("java") or "java")
    if version < OLDEST_JAVA:
        yield fail("java", f"this is Java {version}, and Kafka needs {OLDEST_JAVA} or newer", INSTALL_JAVA)
    else:
        yield ok("java", f"Java {version} and Maven, for a local broker")


def _java_version(java: str) -> int:
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=JAVA_LIMIT_S)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else 0


def _variable(name: str) -> str:
    return f"FRESHET_{name.upper()}"
