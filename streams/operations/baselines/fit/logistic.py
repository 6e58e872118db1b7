"""Logistic regression that learns each exposure after predicting it, by river (Montiel et al. 2021).

Its features are the progressive counts, brought to one scale as they come, and one for each key of the exposure.
"""

import numpy as np
from river import linear_model, optim, preprocessing

from streams.operations.baselines.exchange import Exposures, Floats, HeadScores, Ints

LEARNING_RATE = 0.03  # of AdaGrad; 0.01 and 0.1 had a larger log loss on KuaiRand's late training days


def online_logistic_regression(exposures: Exposures) -> HeadScores:
    """Predict every exposure, then learn from it."""
    said, held = np.zeros(exposures.labels.shape), np.zeros(exposures.labels.shape)
    scaler = preprocessing.StandardScaler()
    models = [linear_model.LogisticRegression(optim.AdaGrad(LEARNING_RATE)) for _ in range(exposures.labels.shape[1])]
    for row, counts in enumerate(exposures.page):
        numbers = named(counts)
        scaler.learn_one(numbers)
        keys = present(exposures.keys[row])
        features = scaler.transform_one(numbers) | keys
        if row >= exposures.training:
            as_held = scaler.transform_one(named(exposures.page_held[row - exposures.training])) | keys
            held[row] = [model.predict_proba_one(as_held)[True] for model in models]
        said[row] = [model.predict_proba_one(features)[True] for model in models]
        for model, outcome in zip(models, exposures.labels[row] > 0, strict=True):
            model.learn_one(features, bool(outcome))
    early, training = exposures.early, exposures.training
    return HeadScores(said[training:], held[training:], said[early:training])


def named(counts: Floats) -> dict[str, float]:
    """Numbers by their column."""
    return {f"count {column}": value for column, value in enumerate(counts.tolist())}


def present(keys: Ints) -> dict[str, float]:
    """A feature for each key; 0 is the key of what is not known."""
    return {f"key {key}": 1.0 for key in keys.tolist() if key}
