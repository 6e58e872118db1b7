"""The playground as its users start it, in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.local.broker import free_port
from tests.support.brokers import CACHE, share_labels
from tests.support.paths import ROOT

STOPS_WITHIN_S = 150
INVITATION = "open http://"


def started(folder: Path, bootstrap: str, api_port: int, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The command, with nothing of the caller's settings but the models; more variables may be set."""
    share_labels(folder)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")}
    ours = {"FRESHET_DATA_DIR": str(folder), "FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir)}
    command = [sys.executable, "-m", "streams.cli", "playground", "--bootstrap", bootstrap, *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean | ours | variables | {"FRESHET_API_PORT": str(api_port), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of a playground with a Kafka of its own, from when it invites to its page; then Ctrl-C."""
    number = free_port()
    process = started(folder, f"127.0.0.1:{free_port()}", number)
    try:
        invited(process)
        yield f"http://127.0.0.1:{number}"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=STOPS_WITHIN_S)


def invited(process: subprocess.Popen[str]) -> str:
    """Wait for the line that says where the page is; RuntimeError with all that was said where it never comes."""
    said = []
    for line in process.stdout or ():
        said.append(line)
        if INVITATION in line:
            return line
    raise RuntimeError(f"the playground ended: {''.join(said)}")
