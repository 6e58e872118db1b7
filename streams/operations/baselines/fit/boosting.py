"""Gradient-boosted trees, trained once on the exposures before the split (Ke et al. 2017, LightGBM)."""

import lightgbm
import numpy as np

from streams.operations.baselines.exchange import Exposures, Floats, HeadScores

TREES, LEAVES = 200, 31
PARAMETERS = {
    "objective": "binary", "num_leaves": LEAVES, "verbosity": -1,
    "seed": 0, "deterministic": True, "force_row_wise": True, "num_threads": 1,
}  # fmt: skip


def boost_page_counts(exposures: Exposures) -> HeadScores:
    """By progressive counts."""
    heads = exposures.labels.shape[1]
    return _joined([_boost(exposures, exposures.page, exposures.page_held, head) for head in range(heads)])


def boost_features(exposures: Exposures) -> HeadScores:
    """By the very features of the standard run."""
    tables = zip(exposures.features.swapaxes(0, 1), exposures.features_held.swapaxes(0, 1), strict=True)
    return _joined([_boost(exposures, table, held, head) for head, (table, held) in enumerate(tables)])


def _boost(exposures: Exposures, table: Floats, held: Floats, head: int) -> HeadScores:
    """One outcome, by a table of features [n + m, D] and the held ones of the test days [m, D]."""
    early, training, outcome = exposures.early, exposures.training, exposures.labels[:, head]
    before_late = _fit(table[:early], outcome[:early])
    booster = _fit(table[:training], outcome[:training])
    return HeadScores(
        np.asarray(booster.predict(table[training:])),
        np.asarray(booster.predict(held, raw_score=True)),
        np.asarray(before_late.predict(table[early:training])),
    )


def _fit(table: Floats, outcome: Floats) -> lightgbm.Booster:
    return lightgbm.train(PARAMETERS, lightgbm.Dataset(table, outcome), num_boost_round=TREES)


def _joined(heads: list[HeadScores]) -> HeadScores:
    """The outcomes side by side."""
    return HeadScores(
        np.stack([one.probability for one in heads], axis=1),
        np.stack([one.held for one in heads], axis=1),
        np.stack([one.late for one in heads], axis=1),
    )
