"""The models of one version in one archive, to be published once and taken by many machines without the weights.

It is an uncompressed tar: manifest.json first, then the files that it lists, and LICENCES.txt; after them the same of
each other text model and of the speech detector, in their folders, where those were made. The same models give the same
bytes.
"""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from encoders.base import ModelError, TextModelName
from encoders.models.manifest import (
    MANIFEST,
    MODELS,
    MOST_BYTES,
    SPEECH_FOLDER,
    TEXT_FOLDERS,
    WITHIN,
    Manifest,
    has_speech,
    publish,
    read,
    remedy_for,
    sha256_of,
    verify,
)

LICENCES = "LICENCES.txt"
REMEDY = "fetch it again, or make one with `freshet models pack`"


def name_of(key: str = MODELS) -> str:
    """The usual name of a bundle."""
    return f"freshet-models-{key}.tar"


def pack(folder: Path, target: Path) -> str:
    """Write the models of a folder as one archive, after checking each; returns the archive's sha256."""
    manifests = {within: verify(folder / within) for within in ("", *_beside(folder))}
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as beside:
        made = Path(beside) / target.name
        with tarfile.open(made, "w", format=tarfile.USTAR_FORMAT) as archive:
            for within, manifest in manifests.items():
                for name, content in _members(folder / within, manifest):
                    entry = tarfile.TarInfo(
                        f"{within}/{name}".lstrip("/")
                    )  # without owner and time, which would differ
                    entry.size, entry.mode = len(content), 0o644
                    archive.addfile(entry, io.BytesIO(content))
        made.rename(target)
    return sha256_of(target)


def _beside(folder: Path) -> list[str]:
    """The folders in it of what is made where it is wanted: other text models, the speech detector."""
    return [within for within in WITHIN if (folder / within).exists()]


def _members(folder: Path, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    yield MANIFEST, (folder / MANIFEST).read_bytes()
    yield LICENCES, licences(manifest).encode()
    for file in manifest.files:
        yield file.name, (folder / file.name).read_bytes()


def licences(manifest: Manifest) -> str:
    """Which file is whose, under which licence."""
    lines = [f"{file.name}\n    {file.source}\n    licence: {file.licence}\n" for file in manifest.files]
    return "".join(["What these models were made from. Whoever passes them on keeps to each licence.\n\n", *lines])


def take(bundle: Path, folder: Path, sha256: str | None = None, *, text_model: TextModelName = "minilm") -> None:
    """Publish the models of a bundle, or of a folder like it, as `folder`; a ModelError says what is wrong with it.

    sha256      of the whole archive, where somebody who is trusted has told it
    text_model  a bundle without it is refused
    """
    try:
        found_sha256 = sha256 and sha256_of(bundle)
    except OSError as error:
        raise ModelError(f"{bundle} has no sha256 to compare ({error.strerror}): {REMEDY}.") from error
    if found_sha256 != sha256:
        raise ModelError(f"{bundle} has another sha256 than the one that was given: {REMEDY}.")
    (folder.parents[1] / "tmp").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parents[1] / "tmp", prefix="export-") as aside:
        made = Path(aside) / "models"
        try:
            _copy(bundle, made) if bundle.is_dir() else _unpack(bundle, made)
            found, beside = verify(made), _beside(made)
            for within in beside:
                verify(made / within)
        except (OSError, tarfile.TarError, KeyError, ModelError) as error:
            why = str(error).replace(str(made), str(bundle)).partition(": ")[0]
            raise ModelError(f"{bundle} is not a whole bundle of models ({why}): {REMEDY}.") from error
        if found.key != MODELS:
            raise ModelError(
                f"{bundle} holds the models {found.key}, and this version of Freshet has {MODELS}: take the bundle "
                "that belongs to it."
            )
        if TEXT_FOLDERS.get(text_model, "") not in ("", *beside):
            remedy = f"{remedy_for(text_model)} and `freshet models pack` where it was made"
            raise ModelError(f"{bundle} lacks the text model {text_model}: {remedy}.")
        publish(made, folder)
        for within in _beside(made):  # the folder stayed as it was, and may have the rest alone
            publish(made / within, folder / within)


def may_have_speech(bundle: Path) -> bool:
    """Whether a bundle, or a folder like it, names a speech detector; False where it cannot be read."""
    if bundle.is_dir():
        return has_speech(bundle)
    try:
        with tarfile.open(bundle, "r:") as archive:
            return f"{SPEECH_FOLDER}/{MANIFEST}" in archive.getnames()
    except (OSError, tarfile.TarError):
        return False


def _copy(bundle: Path, made: Path) -> None:
    made.mkdir()
    for name in (MANIFEST, *(file.name for file in read(bundle).files)):
        shutil.copyfile(bundle / name, made / name)
    for within in _beside(bundle):
        _copy(bundle / within, made / within)


def _unpack(bundle: Path, made: Path) -> None:
    """Take out what the manifest lists, by plain names and no other way."""
    with tarfile.open(bundle, "r:") as archive:
        _unpack_folder(archive, "", made)
        for within in WITHIN:
            if f"{within}/{MANIFEST}" in archive.getnames():
                _unpack_folder(archive, f"{within}/", made / within)


def _unpack_folder(archive: tarfile.TarFile, within: str, made: Path) -> None:
    made.mkdir()
    (made / MANIFEST).write_bytes(_content(archive, within + MANIFEST))
    for file in read(made).files:
        (made / file.name).write_bytes(_content(archive, within + file.name, file.bytes))


def _content(archive: tarfile.TarFile, name: str, expected: int | None = None) -> bytes:
    entry = archive.getmember(name)
    stream = archive.extractfile(entry) if entry.isfile() else None
    if stream is None:
        raise ModelError(f"{name} in it is no file")
    if entry.size > MOST_BYTES if expected is None else entry.size != expected:
        raise ModelError(f"{name} in it has {entry.size} bytes instead of {expected or f'{MOST_BYTES} at most'}")
    return stream.read()
