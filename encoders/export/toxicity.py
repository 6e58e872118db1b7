"""The toxicity classifier's files: scikit-learn's pickles to words and plain arrays, without scikit-learn.

`encoders/export/source/toxicity.py` asks scikit-learn itself; its answers are what these files are compared with.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.export.checks import Parity, Report, accepted, difference, recorded, write_draft
from encoders.export.tensors import Record, read_joblib
from encoders.models.manifest import ModelFile, describe
from encoders.moderation.toxicity import WEIGHTS, WORDS, Toxicity

IN_WEIGHTS = "profanity_check/data"
SCORES = f"{WEIGHTS} scores"
MAX_DIFFERENCE = 1e-6  # of any text's probability
SAMPLE = 200  # texts of the classifier's own words, drawn for the comparison
ODD = (
    " ",
    "?!",
    "a",
    "Ünïcode ÄÖÜ",
    "日本語のタイトル",
    "\ud800",
    "STUPID stupid Stupid",
    "don't you dare",
    "1234 5678",
)
SOURCE = "the wheel alt-profanity-check 1.9.1, trained on 200,000 labelled English texts"
LICENCE = "MIT"


def make(folder: Path, weights_dir: Path, report: Report) -> list[ModelFile]:
    """Write the classifier as plain numbers, and refuse it where it differs from scikit-learn's answers."""
    report("export: toxicity")
    vectorizer, model = (read_joblib(weights_dir / IN_WEIGHTS / f"{name}.joblib") for name in ("vectorizer", "model"))
    written(folder, vectorizer, model)
    largest = difference({SCORES: scores(folder)}, recorded())
    return finished(folder, accepted(WEIGHTS, largest, report, original="scikit-learn", most=MAX_DIFFERENCE))


def written(folder: Path, vectorizer: Record, model: Record) -> None:
    """Write both files; the vectorizer and the averaged classifiers may be scikit-learn's own objects."""
    words = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    linear = [one.estimator for one in model.calibrated_classifiers_]
    sigmoids = [one.calibrators[0] for one in model.calibrated_classifiers_]
    fields = {
        "words": words,
        "bias": [float(one.intercept_[0]) for one in linear],
        "slopes": [float(one.a_) for one in sigmoids],
        "offsets": [float(one.b_) for one in sigmoids],
    }
    (folder / WORDS).write_text(json.dumps(fields, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    np.save(folder / WEIGHTS, np.stack([vectorizer._tfidf.idf_, *(one.coef_[0] for one in linear)], axis=1))
    write_draft(folder, finished(folder))


def finished(folder: Path, parity: Parity | None = None) -> list[ModelFile]:
    """The entries of both files."""
    return [describe(folder / name, source=SOURCE, licence=LICENCE, parity=parity) for name in (WORDS, WEIGHTS)]


def scores(folder: Path) -> NDArray[np.float64]:
    """float64 [T], what the written classifier says of the texts that are compared."""
    exported = Toxicity(folder)
    words = json.loads((folder / WORDS).read_text("utf-8"))["words"]
    return np.array([exported(text) for text in texts(words)])


def texts(words: list[str]) -> list[str]:
    """Odd ones and drawn ones; without "", which scores 0 here, and with scikit-learn what any text scores."""
    rng = np.random.default_rng(0)
    return [*ODD, *(" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(SAMPLE))]
