"""Gets the models: made of pretrained weights, or taken from a bundle at a path or an address."""

import re
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import httpx

from encoders.base import ModelError
from encoders.models.bundle import may_have_speech, name_of, pack, take
from encoders.models.manifest import (
    GET_SPEECH,
    SPEECH_FOLDER,
    WITHOUT_SPEECH,
    folder_of,
    has_speech,
    verify,
    verify_for,
)
from encoders.models.provision import export_lock, provision
from schemas.settings.model import Settings
from streams.errors import OperatorError

Report = Callable[[str], None]
MEGABYTE = 1_000_000
REPORT_BYTES = 20 * MEGABYTE
LIMIT_S = 60.0  # for a connection, and for each piece
MOST_BYTES = 2_000 * MEGABYTE  # of an archive; that of the built-in models has 140 MB
MARK = "sha256="
TAKEN = "taken.txt"  # in the model folder: the hash of what was fetched last, so that it is not fetched twice in vain
REMEDY = "Set FRESHET_MODELS to a path, or to an https address that ends with #sha256= and the archive's hash."


def provide(settings: Settings, report: Report, *, from_source: bool = False) -> Path:
    """The folder of the models, which are made or taken where they are missing; an OperatorError says why not."""
    if from_source or not settings.models:
        return provision(settings.cache_dir, report, from_source=from_source, text_model=settings.text_model)
    folder = folder_of(settings.cache_dir)
    if _whole(settings) and not _may_bring_speech(settings, folder):
        report(f"models: {folder} is complete and unchanged")
        return folder
    with export_lock(settings.cache_dir, report):
        if not _whole(settings):  # another process may have been first
            _take(settings, folder, report)
            _drop_damaged_speech(folder, report)
        elif _may_bring_speech(settings, folder):
            _take_speech(settings, folder, report)
    report(f"models: {folder} is ready")
    return folder


def _may_bring_speech(settings: Settings, folder: Path) -> bool:
    """Whether the folder lacks the speech detector, and the bundle is not known to lack it too."""
    if has_speech(folder):
        return False
    path, _, told = settings.models.partition("#")
    if "://" not in path:
        return may_have_speech(Path(path).expanduser())
    taken = folder / TAKEN
    return not taken.exists() or taken.read_text("utf-8") != told


def _take_speech(settings: Settings, folder: Path, report: Report) -> None:
    """Take what a whole folder lacks; it serves as before where the bundle cannot be had."""
    try:
        _take(settings, folder, report)
    except (ModelError, OperatorError) as error:
        report(f"models: {folder} stays without the speech detector, {WITHOUT_SPEECH}: {error}")


def _drop_damaged_speech(folder: Path, report: Report) -> None:
    """Remove a damaged speech detector that the bundle did not replace: beside it no sound can be encoded."""
    try:
        if has_speech(folder):
            verify(folder / SPEECH_FOLDER)
    except ModelError:
        shutil.rmtree(folder / SPEECH_FOLDER)
        report(f"models: the speech detector was damaged and is removed, {WITHOUT_SPEECH}: {GET_SPEECH}")


def _take(settings: Settings, folder: Path, report: Report) -> None:
    path, marked, told = settings.models.partition("#")
    aside_dir, expected = settings.cache_dir / "tmp", told.removeprefix(MARK) if marked else None
    if expected is not None and not re.fullmatch("[0-9a-f]{64}", expected):
        raise OperatorError(f"What follows # in {path}#{told} is no sha256: 64 digits of 0-9 and a-f.", REMEDY)
    aside_dir.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=aside_dir, prefix="export-") as aside:
        bundle = Path(path).expanduser()
        if "://" in path:
            bundle = _fetched(path, expected, Path(aside) / name_of(), report)
        report(f"models: taking them from {bundle}")
        take(bundle, folder, expected, text_model=settings.text_model)
    if "://" in path:
        (folder / TAKEN).write_text(told, "utf-8")


def packed(settings: Settings, target: Path | None) -> tuple[Path, str]:
    """Write the models as one archive; returns it and its sha256."""
    path = target or Path(name_of())
    if path.is_dir():
        path /= name_of()
    return path, pack(folder_of(settings.cache_dir), path)


def _whole(settings: Settings) -> bool:
    try:
        verify_for(folder_of(settings.cache_dir), settings.text_model)
    except ModelError:
        return False
    return True


def _fetched(url: str, expected: str | None, path: Path, report: Report) -> Path:
    """Fetch an archive whose hash is known before; reports how far it is."""
    if not url.lower().startswith("https://") or expected is None:
        raise OperatorError(f"Models are not fetched from {url}: its bytes could be anybody's.", REMEDY)
    try:
        digest = download(url, path, report)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OperatorError(
            f"The models cannot be fetched from {url} ({error}).", "Check the address and the network."
        ) from error
    if digest != expected:
        raise OperatorError(f"What {url} holds has the sha256 {digest}, and not {expected}.", "Ask who published it.")
    return path


def download(url: str, path: Path, report: Report) -> str:
    """Fetch a file; returns its sha256, and reports how far it is.

    An httpx.HTTPError, httpx.InvalidURL or ValueError where it does not come.
    """
    digest, had, told = sha256(), 0, 0
    with httpx.stream("GET", url, timeout=LIMIT_S, follow_redirects=True) as answer, path.open("wb") as file:
        answer.raise_for_status()
        whole = int(answer.headers.get("content-length", 0)) // MEGABYTE
        report(f"models: fetching {url} ({whole} MB)")
        for piece in answer.iter_bytes():
            file.write(piece)
            digest.update(piece)
            had += len(piece)
            if had > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES // MEGABYTE} MB")
            if had - told >= REPORT_BYTES:
                told = had
                report(f"models: {had // MEGABYTE} of {whole} MB fetched")
    return digest.hexdigest()
