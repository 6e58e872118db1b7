"""Runs the baselines in their environment, as a process of its own, and reads what they say."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from streams.errors import OperatorError
from streams.operations.baselines.exchange import (
    Answer,
    ExchangeError,
    Exposures,
    NextFinish,
    read_answer,
    write_question,
)

ENVIRONMENT = Path(sys.prefix) / "baselines"  # of their own: their pins are not ours
PROGRAM = "streams.operations.baselines.fit"
ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent.relative_to(ROOT)
STDERR = 2  # where everything goes that they print: stdout is the caller's
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # variables that would bring in another environment
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # so that results do not depend on cores; on two busy ones more took longer


def interpreter(environment: Path = ENVIRONMENT) -> Path:
    """The Python of the baselines' environment; an OperatorError says how to make it."""
    python = environment / "bin" / "python"
    if not python.is_file():
        raise OperatorError(f"The baselines' environment {environment} is missing.", "`make baselines` makes it.")
    return python


def ask(python: Path, exposures: Exposures, next_finish: NextFinish | None) -> Answer:
    """What the baselines say; they tell of their progress on stderr."""
    with tempfile.TemporaryDirectory(prefix="freshet-baselines-") as name:
        folder = Path(name)
        write_question(folder, exposures, next_finish)
        _run([str(python), "-m", PROGRAM, str(folder)], _source(folder))
        try:
            return read_answer(folder, exposures, next_finish)
        except ExchangeError as error:
            raise OperatorError(str(error), "`make baselines` makes their environment again from its lock.") from error


def _source(folder: Path) -> Path:
    """A copy of what runs there and no more, since its parent folder may hold packages of another environment."""
    source = folder / "source"
    shutil.copytree(ROOT / FOLDER / "fit", source / FOLDER / "fit", ignore=shutil.ignore_patterns("__pycache__"))
    for package in (FOLDER, *FOLDER.parents[:-1]):
        shutil.copy(ROOT / package / "__init__.py", source / package)
    shutil.copy(ROOT / FOLDER / "exchange.py", source / FOLDER)
    return source


def _run(command: list[str], source: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in OURS} | ONE_THREAD
    try:
        ended = subprocess.run(command, cwd=source, env=environ, stdin=subprocess.DEVNULL, stdout=STDERR, check=False)
    except OSError as error:
        raise OperatorError(
            f"The baselines' Python {command[0]} does not start: {error.strerror}.", "`make baselines` makes it again."
        ) from error
    if ended.returncode:
        raise OperatorError(
            f"The baselines ended with status {ended.returncode}.",
            "Their own message is above; `make baselines` makes their environment again from its lock.",
        )
