"""The toxicity classifier's files: scikit-learn's pickles to words and plain arrays, checked against scikit-learn."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from encoders.export.checks import Report, accepted, write_draft
from encoders.models.manifest import ModelFile, describe
from encoders.moderation.toxicity import WEIGHTS, WORDS, Toxicity

IN_WEIGHTS = "profanity_check/data"
MAX_DIFFERENCE = 1e-6  # of any text's probability
SAMPLE = 2000  # texts of the classifier's own words, drawn for the comparison
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
    report("export: toxicity, scikit-learn to arrays")
    # unpickling runs code: these files are pinned by their sha256, and this environment is temporary
    vectorizer, model = (joblib.load(weights_dir / IN_WEIGHTS / f"{name}.joblib") for name in ("vectorizer", "model"))
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
    np.save(folder / WEIGHTS, np.stack([vectorizer.idf_, *(one.coef_[0] for one in linear)], axis=1))
    made = [describe(folder / name, source=SOURCE, licence=LICENCE) for name in (WORDS, WEIGHTS)]
    write_draft(folder, made)
    largest = _difference(Toxicity(folder), vectorizer, model, words)
    parity = accepted(WEIGHTS, largest, report, original="scikit-learn", most=MAX_DIFFERENCE)
    return [describe(folder / name, source=SOURCE, licence=LICENCE, parity=parity) for name in (WORDS, WEIGHTS)]


def _difference(exported: Toxicity, vectorizer: Any, model: Any, words: list[str]) -> float:
    rng = np.random.default_rng(0)
    drawn = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(SAMPLE)]
    texts = [*ODD, *drawn]  # without "", which scores 0 here, and with scikit-learn what any text scores
    expected = model.predict_proba(vectorizer.transform(texts))[:, 1]
    return max(abs(exported(text) - float(original)) for text, original in zip(texts, expected, strict=True))
