"""Makes the model files with the published code of their networks: python -m encoders.export.source --folder DIR …

Run by `provision` in a temporary environment. Beside the files it leaves what torch and scikit-learn answered to the
inputs of encoders/export, which `encoders/export/answers.npz` is a copy of.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from encoders.export import labels, nudity
from encoders.export.__main__ import Maker, main
from encoders.export.checks import ANSWERS, Answers, Report
from encoders.export.source import audio, image, text, toxicity
from encoders.models.manifest import ModelFile, describe


def makers() -> Iterator[Maker]:
    """Those that ask the originals, those that copy, and at last the answers of the first."""
    answers: Answers = {}
    for module in (text, image, audio, toxicity):
        yield partial(module.make, answers=answers)
    yield labels.make
    yield nudity.make
    yield partial(_keep, answers=answers)


def _keep(folder: Path, _: Path, report: Report, *, answers: Answers) -> list[ModelFile]:
    report(f"export: {len(answers)} answers of the originals")
    np.savez(folder / ANSWERS.name, allow_pickle=False, **answers)
    return [describe(folder / ANSWERS.name, source="the originals of these models", licence="see theirs")]


if __name__ == "__main__":
    main(makers())
