"""Freshet's commands as processes of their own."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from schemas.settings.model import Settings
from streams.worker import supervise
from tests.support.forked import forked, freshet_command
from tests.support.paths import ROOT

LIMIT_S = 120


def freshet(
    settings: Settings, *arguments: object, cold: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command under the settings; more variables may be set. A cold one imports everything itself."""
    command = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    environ = {**supervise.environment(settings), **variables}
    if cold:
        return subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT_S
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
