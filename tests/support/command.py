"""Freshet's commands as processes of their own."""

import subprocess
import sys
from pathlib import Path

from schemas.settings.model import Settings
from streams.worker import supervise
from tests.support.paths import ROOT

LIMIT_S = 90


def freshet(
    settings: Settings, *arguments: object, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command under the settings; more variables may be set, and packages in `cwd` come before the installed."""
    command = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    environ = {**supervise.environment(settings), **variables}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT_S)
