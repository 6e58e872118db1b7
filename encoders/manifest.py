"""The list that vouches for the model files: what each is, where it came from, and its hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from encoders.base import ModelError

EXPORTER = "1"  # raised whenever encoders/export.py makes other files from the same weights
WEIGHTS = {  # sha256 of the pretrained files that everything is made from
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
MANIFEST = "manifest.json"
REMEDY = "run `freshet export` (or `make setup`)"


@dataclass(frozen=True)
class ModelFile:
    """One file of a model folder.

    parity  what was measured when it was made, e.g. the largest difference to torch
    """

    name: str
    sha256: str
    bytes: int
    source: str
    licence: str
    dim: int | None = None
    opset: int | None = None
    parity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The files of one model folder, and what they were made from."""

    weights: Mapping[str, str]
    exporter: str
    files: tuple[ModelFile, ...]

    @property
    def key(self) -> str:
        return key_of(self.weights, self.exporter)

    def file(self, name: str) -> ModelFile | None:
        return next((file for file in self.files if file.name == name), None)


def key_of(weights: Mapping[str, str], exporter: str) -> str:
    """Name a model folder after all that decides its content: 16 hex digits.

    >>> key_of({"a": "1", "b": "2"}, "1") == key_of({"b": "2", "a": "1"}, "1")
    True
    >>> key_of({"a": "1"}, "1") == key_of({"a": "1"}, "2")
    False
    """
    told = json.dumps([exporter, sorted(weights.items())])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def folder_of(cache_dir: Path) -> Path:
    """Where the models of this version of Freshet lie, made or not."""
    return cache_dir / "models" / key_of(WEIGHTS, EXPORTER)


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe(
    path: Path,
    *,
    source: str,
    licence: str,
    dim: int | None = None,
    opset: int | None = None,
    parity: Mapping[str, float] | None = None,
) -> ModelFile:
    """Take down a finished file for the manifest."""
    return ModelFile(path.name, sha256_of(path), path.stat().st_size, source, licence, dim, opset, dict(parity or {}))


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder under construction; `publish` then shows the folder to others."""
    told = asdict(manifest)
    told = {"key": manifest.key, "sha256": _digest(told), **told}
    (folder / MANIFEST).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Read a folder's manifest; a ModelError says what is wrong with it."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_bytes())
        key, digest = told.pop("key"), told.pop("sha256")
        manifest = Manifest(**{**told, "files": tuple(ModelFile(**file) for file in told["files"])})
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {REMEDY}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is not a manifest of this version: {REMEDY}.") from error
    if (key, digest) != (manifest.key, _digest(told)):
        raise ModelError(f"{path} was changed after it was written: {REMEDY}.")
    return manifest


def _digest(told: Mapping[str, object]) -> str:
    """The hash by which a manifest vouches for its own text."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def checked_bytes(path: Path) -> bytes:
    """Read a model file, and refuse it unless it is byte for byte what the manifest beside it says."""
    expected = read(path.parent).file(path.name)
    if expected is None:
        raise ModelError(f"{path} is not named in {MANIFEST} beside it: {REMEDY}.")
    return _checked(path, expected)


def verify(folder: Path) -> Manifest:
    """Check every file of the folder against its manifest; a ModelError names the first that is wrong."""
    manifest = read(folder)
    for file in manifest.files:
        _checked(folder / file.name, file)
    return manifest


def _checked(path: Path, expected: ModelFile) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {REMEDY}.") from error
    if len(content) != expected.bytes:
        raise ModelError(f"{path} has {len(content)} bytes instead of {expected.bytes}: {REMEDY}.")
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise ModelError(f"{path} differs from its sha256 in {MANIFEST}: {REMEDY}.")
    return content


def publish(built: Path, folder: Path) -> None:
    """Show a finished folder under its final name, all at once; a good one already there stays.

    built  the finished folder, on the same file system, gone afterwards or left for the caller to remove
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        try:
            verify(folder)
            return
        except ModelError:
            folder.rename(built.with_name(built.name + ".replaced"))
    try:
        built.rename(folder)
    except OSError:
        verify(folder)  # another process was first
