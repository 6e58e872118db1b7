"""The toxicity classifier's files by way of scikit-learn, and what it answers itself."""

from pathlib import Path

import joblib

from encoders.export.checks import Answers, Report, accepted, difference
from encoders.export.toxicity import IN_WEIGHTS, MAX_DIFFERENCE, SCORES, finished, scores, texts, written
from encoders.models.manifest import ModelFile
from encoders.moderation.toxicity import WEIGHTS


def make(folder: Path, weights_dir: Path, report: Report, *, answers: Answers) -> list[ModelFile]:
    """Write the classifier as plain numbers, and refuse it where it differs from scikit-learn's answers."""
    report("export: toxicity, scikit-learn to arrays")
    # unpickling runs code: these files are pinned by their sha256, and this environment is temporary
    vectorizer, model = (joblib.load(weights_dir / IN_WEIGHTS / f"{name}.joblib") for name in ("vectorizer", "model"))
    written(folder, vectorizer, model)
    words = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    told = {SCORES: model.predict_proba(vectorizer.transform(texts(words)))[:, 1]}
    answers |= told
    largest = difference({SCORES: scores(folder)}, told)
    return finished(folder, accepted(WEIGHTS, largest, report, original="scikit-learn", most=MAX_DIFFERENCE))
