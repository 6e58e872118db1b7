"""Runs the steps by which models are made, one after the other, and says how far each is."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from encoders.base import ModelError

PROGRESS_INTERVAL_S = 5.0  # between two lines about the same step
MEGABYTE = 1_000_000

Report = Callable[[str], None]
Run = Callable[..., None]
Command = Sequence[str | Path]


def steps(aside: Path, report: Report) -> Run:
    """A function that runs one step after the other, and reports each, how long it takes, and why it failed.

    aside  a temporary folder; what a step fetches or writes goes there
    """
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    scratch = aside / "scratch"
    scratch.mkdir()
    environment = {
        **kept,
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": str(scratch),  # /tmp may be small and held in memory
        "XDG_CACHE_HOME": str(scratch),  # of torch and transformers, which go with the folder
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }

    def run(what: str, command: Command, *, folder: Path = aside) -> None:
        began = time.monotonic()
        report(f"models: {what}")
        for passed in _passed([str(part) for part in command], folder, environment, aside / "log", what):
            fetched = _bytes_in(scratch) // MEGABYTE
            so_far = f"{passed - began:.0f} s" + (f" and {fetched} MB" if fetched else "")
            report(f"models: {what}, {so_far} so far")

    return run


def _passed(command: list[str], folder: Path, environment: Mapping[str, str], log: Path, what: str) -> Iterator[float]:
    """Run a command to its end; gives the time again and again until then."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while _still_running(process):
                yield time.monotonic()
        finally:
            process.kill()  # so that Ctrl-C leaves no process; it does nothing to one that has ended
            process.wait()
    if process.returncode != 0:
        raise ModelError(f"models: {what} failed ({_last_line(log)}): fix that and run `freshet export` again.")


def _still_running(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(timeout=PROGRESS_INTERVAL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _bytes_in(folder: Path) -> int:
    """Of all files below a folder, of which some may go while they are counted; pip keeps what it fetches there."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or [line for line in lines if line] or ["without output"])[-1][:300]
