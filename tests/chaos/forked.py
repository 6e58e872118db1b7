"""Workers forked off a process that has loaded everything already: they start in a tenth of the time."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from streams.worker import processes
from tests.chaos import worker

LOADED = [
    *(f"streams.{name}" for name in ("admin", "worker", "people", "profiles", "trends", "encoding")),
    *(f"streams.{name}" for name in ("ranking", "shared", "answered", "qdrant")),
    *("encoders.embedder", "ranker.pipeline.pipeline", "tests.chaos.rig", "tests.chaos.inputs", "tests.chaos.index"),
    *("tests.chaos.refusals", "tests.chaos.kills", "tests.chaos.outages", "tests.chaos.groups"),
]

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(LOADED)


ONE_AT_A_TIME = Lock()  # multiprocessing reads an exit status once, whoever asks first
LOOK_S = 0.02


class Forked:
    """The part of `subprocess.Popen` that the rig uses."""

    def __init__(self, agent: str, log: Path, environ: Mapping[str, str]) -> None:
        self._process = CONTEXT.Process(target=begin, args=(agent, log, dict(environ)))
        with ONE_AT_A_TIME:
            self._process.start()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal."""
        return self.poll()

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        with ONE_AT_A_TIME:
            return self._process.exitcode

    def wait(self, limit_s: float = float("inf")) -> int:
        """Exit status; TimeoutError after the limit."""
        end = time.monotonic() + limit_s
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"process {self.pid} still runs after {limit_s:g} s")
            time.sleep(LOOK_S)
        return status

    def send_signal(self, sign: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, sign)


def begin(agent: str, log: Path, environ: dict[str, Any]) -> None:
    """Become the worker."""
    os.setsid()
    processes.die_with_parent()
    with log.open("wb", buffering=0) as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environ)
    worker.main(agent, environ)
