"""The process that forks for each file, and the rights that the fork gives up before it reads a byte.

Run by `encoders.media.sandbox_client`: python -m encoders.media.sandbox CONTROL GIVEN ANSWER MODULE:FUNCTION, the
first three open files.
"""

import ctypes
import importlib
import mmap
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import FileIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from encoders.media.types import Limits, Media, MediaError, answer_bytes, pack

Work = Callable[[FileIO, Limits], Media]

NOBODY = 65534
CLONE_NEWNET, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 0x40000000, 1, 38
_SETUP = 70  # exit code of a fork whose limits could not be set, and which therefore did nothing
UNLIMITED = f"exit code {_SETUP}"
LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True)


class SandboxReady(msgspec.Struct, frozen=True):
    """The first message of the process: it is ready."""

    network: bool  # whether it still has a network; a fork can open no connection in either case


class SandboxExit(msgspec.Struct, frozen=True):
    """How a fork ended, and what it cost."""

    reason: str = ""  # a signal's name or an exit code; empty where it succeeded
    late: bool = False  # it had not ended at the deadline
    cpu_ms: float = 0.0
    memory_kib: int = 0  # resident, at its peak

    @property
    def hung(self) -> bool:
        """Whether it was ended because it took too long."""
        return self.late or self.reason == "SIGXCPU"


def main(control_fd: int, given: int, answer: int, work: str) -> None:
    """Fork for each request until the other side closes the connection."""
    module, _, name = work.partition(":")
    function: Work = getattr(importlib.import_module(module), name)
    control = Connection(control_fd)
    _volunteer_for_the_oom_killer()
    control.send_bytes(msgspec.json.encode(SandboxReady(network=not _leave_network())))
    while True:
        try:
            limits = msgspec.json.decode(control.recv_bytes(), type=Limits)
        except EOFError:
            return
        ended = _in_a_fork(function, limits, control_fd, given, answer)
        if ended is None:
            return
        control.send_bytes(msgspec.json.encode(ended))


def _in_a_fork(work: Work, limits: Limits, control: int, given: int, answer: int) -> SandboxExit | None:
    """Let a fork work, and end it at the deadline; None where nobody waits for the answer any more."""
    space = mmap.mmap(answer, answer_bytes(limits))
    space[:4] = bytes(4)
    alive, held = os.pipe()  # the fork holds one end until it ends
    ours, pid = os.getpid(), os.fork()
    if pid == 0:
        _child(work, limits, given, held, space, ours)
    os.close(held)
    waiting = select.poll()
    waiting.register(alive, select.POLLIN)
    waiting.register(control, select.POLLIN)
    ready = [fd for fd, _ in waiting.poll(limits.wall_s * 1000)]
    os.kill(pid, signal.SIGKILL)  # also one that only closed its end; one that has ended keeps its status
    _, status, usage = os.wait4(pid, 0)
    os.close(alive)
    space.close()
    if control in ready:
        return None
    cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
    return SandboxExit(_exit_reason(os.waitstatus_to_exitcode(status)), not ready, cpu_ms, usage.ru_maxrss)


def _exit_reason(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"exit code {code}" if code else ""


def _child(work: Work, limits: Limits, given: int, held: int, space: mmap.mmap, parent: int) -> None:
    """Give up every right that can be given up, work, and write the answer; never returns."""
    code = _SETUP
    try:
        _keep_open(given, held)
        _limit(limits)
        if os.getppid() != parent:  # it ended before we asked for a signal at its end
            return
        code = 1
        _write(space, pack(_read(work, given, limits)))
        code = 0
    finally:
        os._exit(code)


def _read(work: Work, given: int, limits: Limits) -> Media | str:
    try:
        with FileIO(given, "rb", closefd=False) as file:
            file.seek(0)
            return work(file, limits)
    except MediaError as error:
        return str(error)
    except MemoryError:
        return f"decoding needs more than {limits.memory >> 20} MiB of memory; upload a smaller file"
    except Exception as error:  # whatever a file makes a library raise is an answer about the file, not a fault of ours
        return f"the decoder failed ({type(error).__name__}: {error}); convert the file again"


def _write(space: mmap.mmap, parts: Sequence[bytes | NDArray[Any]]) -> None:
    size, *rest = map(bytes, parts)
    body = b"".join(rest)
    space[4 : 4 + len(body)] = body
    space[:4] = size  # last: an answer is complete or absent


def _keep_open(*kept: int) -> None:
    start = 0
    for fd in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(start, fd)
        start = fd + 1


def _limit(limits: Limits) -> None:
    """Give up rights and resources: what is open stays open, and nothing more can be opened, sent or started."""
    wanted = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),  # no file grows; Python ignores SIGXFSZ
        (resource.RLIMIT_NPROC, 0, 0),  # neither process nor thread, unless by root
        (resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1),  # SIGXCPU, then SIGKILL
        (resource.RLIMIT_NOFILE, 0, 0),  # no file, pipe or socket
    ]
    if LINUX:  # other systems ignore the limit on address space, or cannot set it
        has = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
        wanted.insert(0, (resource.RLIMIT_AS, has + limits.memory, has + limits.memory))
    for kind, soft, hard in wanted:
        _, highest = resource.getrlimit(kind)
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))
    if os.geteuid() == 0:
        _stop_being_root()
    if LINUX:  # after the change of user, which clears the first
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _stop_being_root() -> None:
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return  # a container whose user namespace has no other user


def _leave_network() -> bool:
    """Move to an empty network, as root may; others would need a user namespace, which adds more risk than it takes."""
    return LINUX and _LIBC.unshare(CLONE_NEWNET) == 0


def _volunteer_for_the_oom_killer() -> None:
    """Where the machine runs out of memory, let the kernel end this process and its forks before the agent."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
