"""The names of pictures' and sounds' labels, in the order of the models' outputs."""

import ast
import json
from pathlib import Path

from encoders.annotate.labels import LABELS
from encoders.base import ModelError
from encoders.export.checks import Report
from encoders.models.manifest import ModelFile, describe

SYNSETS, LEMMAS = "timm/data/_info/imagenet_synsets.txt", "timm/data/_info/imagenet_synset_to_lemma.txt"
TAGS = "musicnn/configuration.py"
RENAMED = {"cock": "rooster", "nipple": "bottle teat"}  # animal and bottle, but not in a tag that people read
SOURCE = "WordNet's names of the ImageNet classes, from the wheel timm 1.0.31; tags from the wheel musicnn 0.1.0"
LICENCE = "Apache-2.0 (timm), WordNet's licence (names), ISC (musicnn)"


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the names of both label sets as JSON."""
    report("export: labels")
    named = {
        "image": image_labels((weights_dir / SYNSETS).read_text("utf-8"), (weights_dir / LEMMAS).read_text("utf-8")),
        "audio": audio_labels((weights_dir / TAGS).read_text("utf-8")),
    }
    (folder / LABELS).write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")
    return [describe(folder / LABELS, source=SOURCE, licence=LICENCE)]


def image_labels(synsets: str, lemmas: str) -> list[str]:
    """The first name of each class: "tench" for "n01440764<tab>tench, Tinca tinca".

    Two names occur twice, crane (bird and machine) and maillot.
    """
    names = dict(line.split("\t", 1) for line in lemmas.splitlines())
    first = (names[synset].split(",")[0].strip() for synset in synsets.split())
    return [RENAMED.get(name, name) for name in first]


def audio_labels(source: str) -> list[str]:
    """The list MSD_LABELS of musicnn's configuration, read without running it."""
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="MSD_LABELS")], value=value):
                return list(ast.literal_eval(value))
    raise ModelError(f"{TAGS} names no MSD_LABELS: fetch the weights again.")
