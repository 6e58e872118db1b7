"""Processes forked off one that has imported everything already: they start in a tenth of the time.

What runs in them is Freshet's own command line, with its arguments, its environment, its folder and its output; only
the start of an interpreter and the imports are left out. Tests of the start itself start cold, and one of each agent.
"""

import io
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import wait
from pathlib import Path
from signal import SIGKILL, SIGTERM
from threading import Lock
from typing import Any, NoReturn, cast

from streams.worker import processes
from tests.support.paths import ROOT

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.loaded"])
ONE_AT_A_TIME = Lock()  # multiprocessing reads an exit status once, whoever asks first


class Forked:
    """The part of `subprocess.Popen` that tests use."""

    def __init__(
        self, target: Callable[..., object], arguments: Sequence[object], environ: Mapping[str, str], output: Path,
        errors: Path | None = None,
    ) -> None:  # fmt: skip
        self.args = [target.__module__, *map(str, arguments)]
        for path in {output, errors or output}:
            path.touch()  # so that it can be read from now on
        given = (target, tuple(arguments), dict(environ), output, errors)
        self._process = CONTEXT.Process(target=begin, args=given, daemon=True)  # daemon: ended with us, not waited for
        with ONE_AT_A_TIME:
            self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal, None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        with ONE_AT_A_TIME:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Exit status; subprocess.TimeoutExpired after the limit."""
        wait([self._process.sentinel], timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return status

    def send_signal(self, sign: int) -> None:
        """Send a signal, unless it has ended."""
        with ONE_AT_A_TIME, suppress(ProcessLookupError):  # it may end at this moment
            if self._process.exitcode is None:
                os.kill(self.pid, sign)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(SIGKILL)


def forked(
    target: Callable[..., object], arguments: Sequence[object], environ: Mapping[str, str], output: Path,
    errors: Path | None = None,
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Call a function of a module in a process of its own, which ends when it returns.

    output, errors  files to which stdout and stderr are appended; without the second both go to the first
    """
    return cast("subprocess.Popen[bytes]", Forked(target, arguments, environ, output, errors))


def freshet_command(*arguments: str) -> NoReturn:
    """Freshet's command line, as `python -m streams.cli` runs it."""
    from streams.cli import main

    sys.argv = ["freshet", *arguments]
    main(arguments)


def faust_command(*arguments: str) -> None:
    """Faust's own command line, as its script `faust` runs it."""
    from faust.cli.faust import cli

    sys.argv = ["faust", *arguments]
    cli(arguments)


def begin(
    target: Callable[..., object],
    arguments: tuple[Any, ...],
    environ: dict[str, str],
    output: Path,
    errors: Path | None,
) -> None:
    """Become the process: as `processes.start` begins it, in a session of its own that ends with the tests."""
    os.setsid()
    processes.die_with_parent()
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]  # kept open, we would outlive the tests
    for number, path in ((1, output), (2, errors or output)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = _unbuffered(1), _unbuffered(2)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:0] = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
    target(*arguments)


def _unbuffered(number: int) -> io.TextIOWrapper:
    """A stream that writes at once, as under PYTHONUNBUFFERED."""
    return io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", write_through=True)
