"""All agents on one machine: one process each, their output side by side; when one ends, all are stopped."""

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
from streams.errors import OperatorError
from streams.kafka.probe import Report
from streams.worker.health import status_folder
from streams.worker.processes import exit_text, start

Processes = dict[str, subprocess.Popen[bytes]]

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
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Run the processes until one ends, which raises OperatorError, or until Ctrl-C; either way all are stopped.

    meanwhile  is called all the time, and may raise OperatorError too
    """
    processes: Processes = {}
    try:
        for name, command in commands.items():
            processes[name] = start(command, subprocess.PIPE, environ)
            report(f"{name} started (process {processes[name].pid})")
            reader = threading.Thread(target=_copy, args=(name, processes[name], write), daemon=True)
            reader.start()
        name, status = _first_end(processes, meanwhile)
        raise OperatorError(
            f"{name} ended {exit_text(status)}; the others are stopped.",
            f"Its last lines are above; `freshet {' '.join(commands[name][3:])}` runs it alone.",
        )
    finally:
        stop_all(processes, report)


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


def _first_end(processes: Processes, meanwhile: Callable[[], None]) -> tuple[str, int]:
    while True:
        meanwhile()
        for name, process in processes.items():
            if (status := process.poll()) is not None:
                return name, status
        time.sleep(POLL_INTERVAL_S)


def _copy(name: str, process: subprocess.Popen[bytes], write: Report) -> None:
    """Write a process's lines with its name before each, and read on where nobody takes them: a full pipe stops it."""
    if process.stdout:
        for line in process.stdout:
            with suppress(OSError):
                write(f"{name:<8} | {line.decode('utf-8', 'replace').rstrip()}")
