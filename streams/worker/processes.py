"""Processes that we start: they end with us, even when we are killed, and are stopped in a bounded time."""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

PR_SET_PDEATHSIG = 1  # Linux: a signal to the child when the thread that started it ends
_LIBC = ctypes.CDLL(None)  # opened here: between fork and exec a process with threads may not load anything


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends; called in the child, on Linux only."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    command: Sequence[str], output: IO[bytes] | int, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches us alone and we decide how it ends."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environ) if environ is not None else None,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def stop(process: subprocess.Popen[bytes], limit_s: float) -> int:
    """End a process with SIGTERM, and with SIGKILL after the limit; returns its exit status."""
    process.terminate()
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def exit_text(status: int) -> str:
    """An exit status in words.

    >>> exit_text(3), exit_text(-9)
    ('with exit code 3', 'by SIGKILL')
    """
    return f"with exit code {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
