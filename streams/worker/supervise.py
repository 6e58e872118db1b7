"""All agents on one machine: one process each, their output side by side; one that ends is started again."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from schemas.settings.load import ENVIRONMENT_PREFIX, RENAMED
from schemas.settings.model import SECRETS, Settings
from schemas.settings.ports import MAX_PORT, ports
from streams.errors import OperatorError
from streams.kafka.probe import Report
from streams.worker.health import status_folder
from streams.worker.processes import exit_text, start
from streams.worker.restarts import Restarts

Processes = dict[str, subprocess.Popen[bytes]]
Meanwhile = Callable[[Processes], None]

FIRST_METRICS_PORT, METRICS_PORTS = 9464, 100  # where Prometheus' exporters of applications usually are
STOP_TIMEOUT_S = 12.0  # then by force, so that Ctrl-C ends within 15 s
POLL_INTERVAL_S = 0.1


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """For the time of a `with` nobody else runs all agents of this prefix on this data folder; else OperatorError."""
    folder = status_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            cause = f"`freshet up` runs already on {settings.data_dir} with the prefix {settings.prefix!r}."
            remedy = "`freshet health` shows its workers; `freshet worker NAME` adds one; or name another --data-dir."
            raise OperatorError(cause, remedy) from None
        yield


def workers(names: Iterable[str]) -> dict[str, list[str]]:
    """Command by agent name."""
    return {name: [sys.executable, "-m", "streams.cli", "worker", name] for name in names}


def with_metrics(settings: Settings) -> Settings:
    """Settings for several workers of one machine: each serves its metrics, at the first free one of a row of ports."""
    named = ports(settings.metrics_port)
    if len(named) > 1:
        return settings
    first = named[0] if named else FIRST_METRICS_PORT
    return settings.model_copy(update={"metrics_port": f"{first}-{min(first + METRICS_PORTS - 1, MAX_PORT)}"})


def api() -> dict[str, list[str]]:
    """Command of the HTTP API, by the name of its process."""
    return {"api": [sys.executable, "-m", "streams.cli", "api"]}


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment with these settings, wherever they came from."""
    values = {key: value.get_secret_value() if key in SECRETS else str(value) for key, value in settings}
    variables = {ENVIRONMENT_PREFIX + key.upper(): value for key, value in values.items()}
    read_already = {f"{ENVIRONMENT_PREFIX}{key.upper()}_FILE" for key in SECRETS}
    read_already |= {ENVIRONMENT_PREFIX + key.upper() for key in RENAMED}
    kept = {name: value for name, value in os.environ.items() if name not in read_already}
    return {**kept, **variables, "PYTHONUNBUFFERED": "1"}


def run(
    commands: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    write: Report,
    report: Report,
    meanwhile: Meanwhile = lambda _: None,
    restarts: Restarts | None = None,
) -> None:
    """Run the processes until Ctrl-C, or until one cannot go on, which raises OperatorError; then all are stopped.

    meanwhile  is called all the time with the processes, and may raise OperatorError too
    restarts   says when one that ended is started again; None: the first end stops all
    """
    running = _Supervisor(environ, write, report)
    try:
        for name, command in commands.items():
            running.start(name, command)
        while True:
            meanwhile(running.processes)
            running.look(commands, restarts)
            time.sleep(POLL_INTERVAL_S)
    finally:
        stop_all(running.processes, report)


class _Supervisor:
    """The processes, and which of them are to be started again."""

    def __init__(self, environ: Mapping[str, str], write: Report, report: Report) -> None:
        self._environ, self._write, self._report = environ, write, report
        self._is_json = environ.get(f"{ENVIRONMENT_PREFIX}LOG_FORMAT") == "json"
        self.processes: Processes = {}
        self._started_s: dict[str, float] = {}
        self._due_s: dict[str, float] = {}  # of those that ended

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one, and copy what it writes."""
        process = self.processes[name] = start(command, subprocess.PIPE, self._environ)
        self._started_s[name] = time.monotonic()
        self._report(f"{name} started (process {process.pid})")
        threading.Thread(target=_copy, args=(name, process, self._write, self._is_json), daemon=True).start()

    def look(self, commands: Mapping[str, Sequence[str]], restarts: Restarts | None) -> None:
        """Notice what ended, and start again what is due."""
        for name, process in list(self.processes.items()):
            if name in self._due_s:
                if time.monotonic() >= self._due_s[name]:
                    del self._due_s[name]
                    self.start(name, commands[name])
            elif (status := process.poll()) is not None:
                self._ended(name, commands[name], status, restarts)

    def _ended(self, name: str, command: Sequence[str], status: int, restarts: Restarts | None) -> None:
        now_s = time.monotonic()
        delay_s = restarts.delay_s(name, status, now_s - self._started_s[name]) if restarts else None
        if delay_s is None:
            raise OperatorError(
                f"{name} ended {exit_text(status)}; the others are stopped.",
                f"Its last lines are above; `freshet {' '.join(command[3:])}` runs it alone.",
            )
        self._report(f"{name} ended {exit_text(status)}; it is started again in {delay_s:g} s")
        self._due_s[name] = now_s + delay_s


def stop_all(processes: Processes, report: Report, limit_s: float = STOP_TIMEOUT_S) -> None:
    """Stop all at the same time; what still runs after the limit, or at a second Ctrl-C, is killed."""
    for process in processes.values():
        process.terminate()
    end = time.monotonic() + limit_s
    try:
        for process in processes.values():
            process.wait(max(end - time.monotonic(), 0.0))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for name, process in processes.items():
            if process.poll() is None:
                report(f"{name} did not stop; killed")
                process.kill()
                process.wait()


def _copy(name: str, process: subprocess.Popen[bytes], write: Report, is_json: bool) -> None:
    """Write a process's lines with its name before each, and read on where nobody takes them: a full pipe stops it.

    is_json  its log is JSON, which has the name already
    """
    if process.stdout:
        for line in process.stdout:
            with suppress(OSError):
                text = line.decode("utf-8", "replace").rstrip()
                write(text if is_json and text.startswith("{") else f"{name:<8} | {text}")
