"""What a decoder could do that was taken over by the file it reads; runs in the fork in place of the real one."""

import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from encoders.media.sandbox import _LIBC
from encoders.media.types import Limits, Media, MediaError

PR_GET_NO_NEW_PRIVS = 39
KINDS = ("AS", "CORE", "CPU", "FSIZE", "NOFILE", "NPROC")


def act(file: FileIO, limits: Limits) -> Media:
    """Do what the file says; a deed that succeeds answers "done"."""
    order = file.read().decode()
    deeds: dict[str, Callable[[], object]] = {
        "tell": report_limits,
        "eat": eat,
        "spin": spin,
        "sleep": lambda: time.sleep(600),
        "let go": let_go,
        "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "exit": lambda: os._exit(7),
        "fork": os.fork,
        "thread": lambda: threading.Thread(target=print).start(),
        "read a file": lambda: Path("/etc/hostname").read_bytes(),
        "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
        "write": lambda: os.pwrite(file.fileno(), b"more", len(order)),
        "run": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        "say much": say_much,
        "answer": lambda: None,
    }
    deeds[order]()
    raise MediaError("done")


def report_limits() -> None:
    """Say what is left to this process."""
    told = {
        "limits": {kind: resource.getrlimit(getattr(resource, f"RLIMIT_{kind}")) for kind in KINDS},
        "open": [fd for fd in range(256) if is_open(fd)],
        "environment": [name for name in os.environ if name not in ("LC_CTYPE", "PYTHONPATH", "OPENBLAS_NUM_THREADS")],
        "user": os.geteuid(),
        "no_new_rights": _LIBC.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
    }
    raise MediaError(json.dumps(told))


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(1 << 24))


def spin() -> None:
    while True:
        pass


def let_go() -> None:
    """Look as if it had ended, and go on."""
    os.closerange(0, 256)
    time.sleep(600)


def say_much() -> None:
    raise MediaError("\x1b[31m\n\0" * 10_000)


def hang(file: FileIO, limits: Limits) -> Media:
    """Never come back, whatever the file says."""
    time.sleep(600)
    raise MediaError("awake")
