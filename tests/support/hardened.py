"""Starts a command under the limits that systemd would set by deploy/systemd, as far as a process can set them itself.

    python -m tests.support.hardened UNIT_SETTINGS.conf COMMAND…

No capabilities, no new privileges, no memory that becomes executable, the families of addresses, no namespaces, and the
system calls that the unit's settings allow, by libseccomp, as systemd does it. The file system is left as it is.
"""

import ctypes
import errno
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

SETPRIV = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")
SECCOMP = "libseccomp.so.2"
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EQUAL, MASKED_EQUAL = 4, 7
NAMESPACES = 0x7E020080  # CLONE_NEW… all of them
ENDED = 126


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def why_not() -> str:
    """What this machine lacks to set them; empty where it lacks nothing."""
    if not sys.platform.startswith("linux"):
        return "systemd is Linux's"
    missing = [name for name in ("systemd-analyze", "setpriv") if not shutil.which(name)]
    try:
        ctypes.CDLL(SECCOMP)
    except OSError:
        missing.append(SECCOMP)
    return f"not installed: {', '.join(missing)}" if missing else ""


def settings_of(unit: Path) -> dict[str, list[str]]:
    """What a unit file sets, each with its words; the last one of a name counts."""
    lines = re.findall(r"^(\w+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    return {name: value.split() for name, value in lines}


def command(unit: Path, words: list[str]) -> list[str]:
    """The command under the limits."""
    return [*SETPRIV, sys.executable, "-m", "tests.support.hardened", str(unit), *words]


def system_calls(group: str) -> Iterator[str]:
    """The names in one of systemd's groups and in the groups that it holds."""
    shown = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    for name in re.findall(r"^ +([@\w]\S*)$", shown.stdout, re.MULTILINE):
        if name.startswith("@"):
            yield from system_calls(name)
        else:
            yield name


def confine(settings: Mapping[str, list[str]]) -> None:
    """Take from this process, and from all that it starts, what the settings take from a unit."""
    if settings["MemoryDenyWriteExecute"] == ["yes"]:
        ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)  # an old kernel knows no such wish
    library = ctypes.CDLL(SECCOMP)
    library.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(
        library.seccomp_init(ctypes.c_uint32(ERRNO | getattr(errno, settings["SystemCallErrorNumber"][0])))
    )

    def add(action: int, name: str, *comparisons: _Comparison) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else this processor has no such call
            array = (_Comparison * len(comparisons))(*comparisons)
            if library.seccomp_rule_add_array(rules, ctypes.c_uint32(action), number, len(comparisons), array):
                raise OSError(f"no rule for {name}")

    allowed = {name for group in settings["SystemCallFilter"] for name in system_calls(group)} | {
        *system_calls("@default")
    }
    if settings["RestrictNamespaces"] == ["yes"]:
        allowed -= {"unshare", "setns", "clone", "clone3"}
        add(ALLOW, "clone", _Comparison(0, MASKED_EQUAL, NAMESPACES, 0))
        add(ERRNO | errno.ENOSYS, "clone3")  # its flags lie in memory: whoever asks takes clone then
    for family in settings["RestrictAddressFamilies"]:
        add(ALLOW, "socket", _Comparison(0, EQUAL, getattr(socket, family), 0))
    for name in sorted(allowed - {"socket"}):
        add(ALLOW, name)
    if library.seccomp_load(rules):
        raise OSError("the filter of system calls was not taken")


if __name__ == "__main__":
    confine(settings_of(Path(sys.argv[1])))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # it is to be that command
