"""Freshet's commands: in this process, or as processes of their own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.settings.model import Settings
from streams import cli
from streams.worker import supervise
from tests.support.brokers import CACHE, share_labels
from tests.support.forked import forked, freshet_command
from tests.support.paths import ROOT

LIMIT_S = 600


class Ran(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class Freshet:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)


def freshet(
    settings: Settings, *arguments: object, cold: bool = False, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command under the settings; more variables may be set.

    cold  it imports everything itself, packages in `cwd` before the installed ones
    """
    command = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    environ = {**supervise.environment(settings), **variables}
    if cold:
        return subprocess.run(
            command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    return _warm(command, environ)


def _warm(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        running = forked(freshet_command, command[3:], environ, out, err)
        try:
            status = running.wait(LIMIT_S)
        except subprocess.TimeoutExpired as late:
            running.kill()
            running.wait()
            raise subprocess.TimeoutExpired(command, LIMIT_S, out.read_bytes(), err.read_bytes()) from late
        return subprocess.CompletedProcess(command, status, out.read_text("utf-8"), err.read_text("utf-8"))


def demo(folder: Path, *arguments: object, **environ: str) -> subprocess.Popen[str]:
    """The command in a process of its own, its data below the folder."""
    share_labels(folder)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FRESHET_")}
    ours = {"FRESHET_DATA_DIR": str(folder), "FRESHET_CACHE_DIR": str(CACHE.settings.cache_dir), **environ}
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "demo", *map(str, arguments)],
        cwd=ROOT,
        env=clean | ours,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
