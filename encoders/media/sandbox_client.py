"""Decodes media files in a process of its own, so that a hostile file harms that process alone."""

import os
import subprocess
import sys
import tempfile
from multiprocessing.connection import Pipe
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import msgspec
from msgspec import structs

from encoders.media.sandbox import LINUX, UNLIMITED, SandboxExit, SandboxReady
from encoders.media.types import Limits, Media, MediaError, answer_bytes, unpack

WORK = "encoders.media.decode:decode"  # the function that gets the bytes, in the fork
ROOT = Path(__file__).parents[2]
START_S, GRACE_S = 60.0, 10.0  # for the process to start, and to report that a deadline has passed; guesses


class MediaReader:
    """Reads one file at a time; several threads may call it, and several readers work side by side.

    A process that never reads the bytes itself is started at the first call and forks for each file: the fork decodes
    under the limits and has ended when `read` returns. Multiprocessing's forkserver would run the main module again in
    each fork, unpickle what it is sent, and pass on our environment with its passwords.
    """

    def __init__(self, limits: Limits | None = None, work: str = WORK) -> None:
        self.limits = limits or Limits()
        self.last: SandboxExit | None = None  # of the last fork
        self._work = work
        self._alone = Lock()
        self._running: Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def read(self, data: bytes, wall_s: float | None = None) -> Media:
        """Frames, sound and length of a video, a picture or a sound; a MediaError says why nothing was read.

        wall_s  how long it may take, where that is less than the limits say
        """
        limits = self.limits if wall_s is None else structs.replace(self.limits, wall_s=wall_s)
        if not data:
            raise MediaError("the file is empty; upload it again")
        if len(data) > self.limits.bytes:
            raise MediaError(f"the file has {len(data)} bytes, {self.limits.bytes} are allowed; make it smaller")
        with self._alone:
            running = self._started()
            try:
                self.last, answer = running.ask(data, limits)
            except (OSError, EOFError) as error:
                self._end()
                raise MediaError(f"the decoding process is gone ({_why(error)}); try again", passing=True) from error
            if self.last.reason == UNLIMITED:
                raise RuntimeError("the decoder's limits could not be set, so nothing is decoded; see docs/content.md")
            if fault := _fault(self.last, limits):
                raise MediaError(fault)
        return unpack(answer)

    def close(self) -> None:
        """End the process, and a `read` that runs in another thread; a later `read` starts another process."""
        if (running := self._running) is not None:
            running.process.kill()
        with self._alone:
            self._end()

    def _started(self) -> "Running":
        if self._running is not None and self._running.process.poll() is not None:
            self._end()
        self._running = self._running or Running(answer_bytes(self.limits), self._work)
        return self._running

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
        self._running = None


class Running:
    """The process, the connection to it, and the two files that it shares with us: one for the bytes, one for answers.

    network  whether the process still has one; a fork can open no connection in either case
    """

    def __init__(self, most: int, work: str) -> None:
        self._most = most  # bytes of an answer
        self._given, self._answer = _memory("given"), _memory("answer")
        os.ftruncate(self._answer, most)
        self._control, theirs = Pipe()
        fds = (theirs.fileno(), self._given, self._answer)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "encoders.media.sandbox", *map(str, fds), work],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Nothing of our environment, which holds passwords; one thread, since a fork has no other.
            env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=fds,
            start_new_session=True,  # Ctrl-C reaches us alone
        )
        theirs.close()
        try:
            self.network = msgspec.json.decode(self._received(START_S), type=SandboxReady).network
        except (OSError, EOFError) as error:
            self.end()
            raise RuntimeError(f"no decoding process started ({_why(error)}); see its error output above") from error

    def ask(self, data: bytes, limits: Limits) -> tuple[SandboxExit, bytes]:
        """Have the bytes decoded; an OSError or EOFError where the process has ended."""
        _fill(self._given, data)
        try:
            self._control.send_bytes(msgspec.json.encode(limits))
            exit_ = msgspec.json.decode(self._received(limits.wall_s + GRACE_S), type=SandboxExit)
            return exit_, os.pread(self._answer, self._most, 0)
        finally:
            os.ftruncate(self._given, 0)  # frees the memory

    def end(self) -> None:
        """End the process and its fork, and wait for it."""
        self._control.close()  # the process then ends by itself
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._given)
        os.close(self._answer)

    def _received(self, limit_s: float) -> bytes:
        if not self._control.poll(limit_s):
            raise TimeoutError("no answer")
        return self._control.recv_bytes()


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _memory(name: str) -> int:
    """A file without a name, in memory where the system can."""
    if LINUX:
        return os.memfd_create(f"freshet-{name}")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _fill(fd: int, data: bytes) -> None:
    view = memoryview(data)
    at = 0
    while at < len(data):
        at += os.pwrite(fd, view[at:], at)


def _fault(exit_: SandboxExit, limits: Limits) -> str | None:
    """Why a fork gave no answer, in a sentence; None where it gave one."""
    if exit_.late:
        return f"decoding took longer than {limits.wall_s:g} s; upload a smaller or simpler file"
    if exit_.reason == "SIGXCPU":
        return f"decoding took more than {limits.cpu_s} s of CPU; upload a smaller or simpler file"
    return f"the decoder ended by {exit_.reason}; convert the file again" if exit_.reason else None
